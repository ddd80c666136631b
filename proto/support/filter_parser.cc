#include "proto/support/filter_parser.h"

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <utility>

#include "proto/support/filter_fault.h"
#include "proto/support/filter_values.h"
#include "spdlog/fmt/fmt.h"

namespace procctl {
namespace {

bool IsBlank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }
bool IsOperator(char c) { return c == '=' || c == '!' || c == '<' || c == '>' || c == ':'; }
bool IsParenthesis(char c) { return c == '(' || c == ')'; }

constexpr std::array<std::string_view, 3> kWords = {"AND", "OR", "NOT"};

// Each Read... leaves `at_` behind what it read, or returns false with `fault_`.
class Parser {
 public:
  Parser(std::string_view text, const FilterSchema& schema) : text_(text), schema_(schema) {}

  absl::StatusOr<FilterNode> Run() {
    FilterNode root;
    if (!ReadFilter(0, &root)) return fault_;
    return root;
  }

 private:
  bool AtEnd() const { return at_ == text_.size(); }
  bool Fail(size_t at, const std::string& sentence) {
    fault_ = FilterFault(text_, at, sentence);
    return false;
  }
  void SkipBlanks() {
    while (!AtEnd() && IsBlank(text_[at_])) ++at_;
  }
  bool IsWord(std::string_view word) const {
    if (text_.substr(at_, word.size()) != word) return false;
    const size_t end = at_ + word.size();
    return end == text_.size() || IsBlank(text_[end]) || IsParenthesis(text_[end]);
  }
  bool TakeWord(std::string_view word) {
    if (!IsWord(word)) return false;
    at_ += word.size();
    SkipBlanks();
    return true;
  }

  // filter = sequence {"AND" sequence}. A sequence and AND mean the same, so one list holds both.
  bool ReadFilter(int depth, FilterNode* filter) {
    size_t open_and = text_.size();  // none
    for (;;) {
      SkipBlanks();
      const bool closes = depth > 0 && !AtEnd() && text_[at_] == ')';
      if (AtEnd() || closes) {
        if (open_and < text_.size()) return Fail(open_and, "AND needs a term behind it");
        if (closes && filter->children.empty()) {
          return Fail(at_, "there is nothing between these parentheses");
        }
        return true;
      }
      const size_t word = at_;
      if (TakeWord("AND")) {
        if (open_and < text_.size() || filter->children.empty()) {
          return Fail(word, "AND needs a term before it");
        }
        open_and = word;
        continue;
      }
      open_and = text_.size();
      if (!ReadFactor(depth, filter)) return false;
    }
  }

  // factor = term {"OR" term}
  bool ReadFactor(int depth, FilterNode* filter) {
    if (IsWord("OR")) return Fail(at_, "OR needs a term before it");
    FilterNode term;
    if (!ReadTerm(depth, &term)) return false;
    SkipBlanks();
    FilterNode any;
    any.kind = FilterNode::Kind::kAny;
    any.children.push_back(std::move(term));
    for (;;) {
      const size_t word = at_;
      if (!TakeWord("OR")) break;
      if (AtEnd() || IsWord("AND") || IsWord("OR") || text_[at_] == ')') {
        return Fail(word, "OR needs a term behind it");
      }
      if (!ReadTerm(depth, &any.children.emplace_back())) return false;
      SkipBlanks();
    }
    if (any.children.size() == 1) {
      filter->children.push_back(std::move(any.children.front()));
    } else {
      filter->children.push_back(std::move(any));
    }
    return true;
  }

  // term = ["NOT" | "-"] (comparison | "(" filter ")")
  bool ReadTerm(int depth, FilterNode* term) {
    const size_t begin = at_;
    const bool minus = text_[at_] == '-';
    if (minus) ++at_;
    if (!minus && !TakeWord("NOT")) return ReadPositive(depth, term);
    if (AtEnd() || IsBlank(text_[at_]) || IsWord("AND") || IsWord("OR") || text_[at_] == ')') {
      return Fail(begin, fmt::format("{} needs a term behind it", minus ? "-" : "NOT"));
    }
    if (text_[at_] == '-' || IsWord("NOT")) {
      return Fail(at_, "what is denied twice needs parentheses, e.g. NOT (NOT ...)");
    }
    term->kind = FilterNode::Kind::kNot;
    return ReadPositive(depth, &term->children.emplace_back());
  }

  bool ReadPositive(int depth, FilterNode* term) {
    if (text_[at_] == ')') return Fail(at_, "this parenthesis closes nothing");
    if (text_[at_] != '(') return ReadComparison(depth, term);
    const size_t begin = at_++;
    if (depth == Filter::kMostDepth) {
      return Fail(begin, fmt::format("parentheses are more than {} deep", Filter::kMostDepth));
    }
    if (!ReadFilter(depth + 1, term)) return false;
    if (AtEnd()) return Fail(begin, "this parenthesis is not closed");
    ++at_;
    return true;
  }

  bool ReadComparison(int depth, FilterNode* node) {
    const size_t begin = at_;
    while (!AtEnd() && !IsBlank(text_[at_]) && !IsOperator(text_[at_]) &&
           !IsParenthesis(text_[at_])) {
      ++at_;
    }
    const std::string_view name = text_.substr(begin, at_ - begin);
    const size_t name_end = at_;
    SkipBlanks();
    const bool spaced = at_ > name_end;
    if (name.empty() || AtEnd() || !IsOperator(text_[at_])) return FailNoComparison(begin, name);
    const auto key = std::find_if(schema_.begin(), schema_.end(),
                                  [&](const FilterKey& known) { return known.name == name; });
    if (key == schema_.end()) return Fail(begin, NoSuchKey(schema_, name));
    node->term.key = static_cast<int>(key - schema_.begin());
    node->term.kind = key->kind;
    node->kind = FilterNode::Kind::kTerm;
    const size_t op_begin = at_;
    const std::optional<FilterOperator> op = TakeOperator();
    if (!op) return Fail(op_begin, "this is no operator; there are = != < <= > >= and :");
    node->term.op = op->op;
    if (op->op != FilterTerm::Op::kEqual && !HasOrder(*key)) {
      return Fail(op_begin, fmt::format("{} has no order; compare it with =, != or :", key->name));
    }
    if (spaced) SkipBlanks();
    if (!ReadValues(*key, *op, depth, spaced, &node->term)) return false;
    if (op->negated) {
      FilterNode positive = std::exchange(*node, FilterNode());
      node->kind = FilterNode::Kind::kNot;
      node->children.push_back(std::move(positive));
    }
    return true;
  }

  bool FailNoComparison(size_t begin, std::string_view name) {
    std::string capitals(name);
    for (char& c : capitals) {
      if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
    }
    if (std::find(kWords.begin(), kWords.end(), capitals) != kWords.end()) {
      return Fail(begin, fmt::format("{} is written in capitals", capitals));
    }
    return Fail(begin, fmt::format("\"{}\" is not KEY=VALUE or KEY!=VALUE, e.g. {}=...",
                                   ShownValue(name.empty() ? text_.substr(begin, 1) : name),
                                   schema_.front().name));
  }

  std::optional<FilterOperator> TakeOperator() {
    static constexpr std::array<std::pair<std::string_view, FilterOperator>, 7> kOperators = {{
        {"!=", {FilterTerm::Op::kEqual, true, false}},
        {"<=", {FilterTerm::Op::kLessEqual, false, false}},
        {">=", {FilterTerm::Op::kGreaterEqual, false, false}},
        {"=", {FilterTerm::Op::kEqual, false, false}},
        {"<", {FilterTerm::Op::kLess, false, false}},
        {">", {FilterTerm::Op::kGreater, false, false}},
        {":", {FilterTerm::Op::kEqual, false, true}},
    }};
    for (const auto& [spelling, op] : kOperators) {
      if (text_.substr(at_, spelling.size()) != spelling) continue;
      at_ += spelling.size();
      return op;
    }
    return std::nullopt;
  }

  bool ReadValues(const FilterKey& key, const FilterOperator& op, int depth, bool spaced,
                  FilterTerm* term) {
    term->choices.resize(key.choices.size());
    bool first = true;
    for (;;) {
      const size_t begin = at_;
      FilterValue value;
      if (!ReadValue(key, depth, &value)) return false;
      // "node = state=hung" was most likely "node=$NODE state=hung" with nothing in NODE.
      if (first && spaced && !value.quoted && LooksLikeMore(value.text)) {
        return Fail(begin, fmt::format("a value is missing here; quote it if it is one: {}=\"{}\"",
                                       key.name, ShownValue(value.text)));
      }
      if (!first && op.op != FilterTerm::Op::kEqual) {
        return Fail(begin, "a list of values goes with =, != and : alone");
      }
      if (++values_ > Filter::kMostValues) {
        return Fail(begin, fmt::format("there are more values than the {} that a filter may have; "
                                       "at most {} are allowed",
                                       Filter::kMostValues, Filter::kMostValues));
      }
      if (absl::Status added = AddValue(key, op, value, term); !added.ok()) {
        return Fail(begin, std::string(added.message()));
      }
      first = false;
      if (AtEnd() || text_[at_] != ',') return true;
      ++at_;
    }
  }

  static bool LooksLikeMore(std::string_view word) {
    return word.find('=') != std::string_view::npos ||
           std::find(kWords.begin(), kWords.end(), word) != kWords.end();
  }

  bool ReadValue(const FilterKey& key, int depth, FilterValue* value) {
    if (!AtEnd() && text_[at_] == '"') return ReadQuoted(value);
    const size_t begin = at_;
    // Parentheses in a word belong to it as long as they are in pairs, and all of them where there
    // is none to close: names such as (sd-pam) need no quotes.
    int open = 0;
    for (; !AtEnd() && !IsBlank(text_[at_]) && text_[at_] != ','; ++at_) {
      if (text_[at_] == '(') ++open;
      if (text_[at_] == ')' && open-- == 0) {
        if (depth > 0) break;
        open = 0;
      }
    }
    value->text = std::string(text_.substr(begin, at_ - begin));
    if (!value->text.empty()) return true;
    return Fail(begin, fmt::format("there is an empty value; write {}=* for any, {}=\"\" for none",
                                   key.name, key.name));
  }

  bool ReadQuoted(FilterValue* value) {
    const size_t begin = at_++;
    value->quoted = true;
    for (; !AtEnd() && text_[at_] != '"'; ++at_) {
      const bool escape = text_[at_] == '\\' && at_ + 1 < text_.size() &&
                          (text_[at_ + 1] == '"' || text_[at_ + 1] == '\\');
      if (escape) ++at_;
      value->text += text_[at_];
    }
    if (AtEnd()) return Fail(begin, "this quote is not closed");
    ++at_;
    if (AtEnd() || IsBlank(text_[at_]) || text_[at_] == ',' || text_[at_] == ')') return true;
    return Fail(at_, "behind a quoted value comes a blank, a comma or a parenthesis");
  }

  const std::string_view text_;
  const FilterSchema& schema_;
  size_t at_ = 0;
  size_t values_ = 0;
  absl::Status fault_;
};

}  // namespace

absl::StatusOr<FilterNode> ParseFilter(std::string_view text, const FilterSchema& schema) {
  if (text.size() > Filter::kMostBytes) {
    return absl::InvalidArgumentError(
        fmt::format("filter: {} bytes; at most {} are allowed", text.size(), Filter::kMostBytes));
  }
  return Parser(text, schema).Run();
}

}  // namespace procctl
