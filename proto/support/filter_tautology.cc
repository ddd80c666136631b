#include "proto/support/filter_tautology.h"

#include <algorithm>
#include <functional>
#include <utility>

namespace procctl {
namespace {

constexpr size_t kMostCombinations = 10'000;

using TermJudge = std::function<Match(const FilterTerm&)>;

Match Evaluate(const FilterNode& node, const TermJudge& judge) {
  switch (node.kind) {
    case FilterNode::Kind::kAll: {
      Match all = Match::kYes;
      for (const FilterNode& child : node.children) all = std::min(all, Evaluate(child, judge));
      return all;
    }
    case FilterNode::Kind::kAny: {
      Match any = Match::kNo;
      for (const FilterNode& child : node.children) any = std::max(any, Evaluate(child, judge));
      return any;
    }
    case FilterNode::Kind::kNot: {
      const Match match = Evaluate(node.children.front(), judge);
      return match == Match::kMaybe ? match : match == Match::kNo ? Match::kYes : Match::kNo;
    }
    case FilterNode::Kind::kTerm:
      return judge(node.term);
  }
  return Match::kMaybe;
}

// What a term is by itself.
Match ByItself(const FilterTerm& term, const FilterSchema& schema) {
  const FilterKey& key = schema[static_cast<size_t>(term.key)];
  switch (term.kind) {
    case FilterKey::Kind::kText:
      return std::any_of(term.texts.begin(), term.texts.end(),
                         [](const Glob& glob) { return glob.MatchesAnyText(); })
                 ? Match::kYes
                 : Match::kMaybe;
    case FilterKey::Kind::kTexts:
      // A row may have no text at all.
      return Match::kMaybe;
    case FilterKey::Kind::kChoice:
      for (size_t i = 0; i < key.choices.size(); ++i) {
        if (!key.choices[i].empty() && !term.choices[i]) return Match::kMaybe;
      }
      return Match::kYes;
    case FilterKey::Kind::kNumber:
    case FilterKey::Kind::kDuration:
    case FilterKey::Kind::kSize:
      break;
  }
  const std::int64_t wanted = term.numbers.front();
  switch (term.op) {
    case FilterTerm::Op::kGreaterEqual:
      return wanted <= key.least ? Match::kYes : Match::kMaybe;
    case FilterTerm::Op::kGreater:
      return wanted < key.least ? Match::kYes : Match::kMaybe;
    case FilterTerm::Op::kLess:
      return wanted <= key.least ? Match::kNo : Match::kMaybe;
    case FilterTerm::Op::kLessEqual:
      return wanted < key.least ? Match::kNo : Match::kMaybe;
    case FilterTerm::Op::kEqual:
      return std::all_of(term.numbers.begin(), term.numbers.end(),
                         [&](std::int64_t number) { return number < key.least; })
                 ? Match::kNo
                 : Match::kMaybe;
  }
  return Match::kMaybe;
}

// What may be one thing or another: which choice a row has, or whether a term holds.
struct Variable {
  int choice_key = -1;               // a choice...
  std::vector<size_t> choices;       // ...which is one of these
  const FilterTerm* term = nullptr;  // or else this
  size_t value = 0;

  size_t values() const { return term != nullptr ? 2 : choices.size(); }
};

class Variables {
 public:
  Variables(const FilterNode& tree, const FilterSchema& schema) : schema_(schema) { Find(tree); }

  size_t Combinations() const {
    size_t product = 1;
    for (const Variable& variable : variables_) {
      product *= variable.values();
      if (product > kMostCombinations) return product;
    }
    return product;
  }

  // The next combination; false after the last.
  bool Next() {
    for (Variable& variable : variables_) {
      if (++variable.value < variable.values()) return true;
      variable.value = 0;
    }
    return false;
  }

  Match Judge(const FilterTerm& term) const {
    const Match fixed = ByItself(term, schema_);
    if (fixed != Match::kMaybe) return fixed;
    const Variable& variable = *Of(term);
    const bool holds = variable.term != nullptr ? variable.value == 1
                                                : term.choices[variable.choices[variable.value]];
    return holds ? Match::kYes : Match::kNo;
  }

 private:
  // Null: there is none yet.
  const Variable* Of(const FilterTerm& term) const {
    const auto it = std::find_if(variables_.begin(), variables_.end(), [&](const Variable& known) {
      return known.term != nullptr
                 ? *known.term == term
                 : term.kind == FilterKey::Kind::kChoice && known.choice_key == term.key;
    });
    return it == variables_.end() ? nullptr : &*it;
  }

  void Find(const FilterNode& node) {
    for (const FilterNode& child : node.children) Find(child);
    if (node.kind != FilterNode::Kind::kTerm || ByItself(node.term, schema_) != Match::kMaybe ||
        Of(node.term) != nullptr) {
      return;
    }
    Variable variable;
    if (node.term.kind == FilterKey::Kind::kChoice) {
      variable.choice_key = node.term.key;
      const auto& names = schema_[static_cast<size_t>(node.term.key)].choices;
      for (size_t i = 0; i < names.size(); ++i) {
        if (!names[i].empty()) variable.choices.push_back(i);
      }
    } else {
      variable.term = &node.term;
    }
    variables_.push_back(std::move(variable));
  }

  const FilterSchema& schema_;
  std::vector<Variable> variables_;
};

}  // namespace

bool IsTautology(const FilterNode& tree, const FilterSchema& schema) {
  Variables variables(tree, schema);
  if (variables.Combinations() > kMostCombinations) {
    return Evaluate(tree, [&](const FilterTerm& term) { return ByItself(term, schema); }) ==
           Match::kYes;
  }
  do {
    const Match match =
        Evaluate(tree, [&](const FilterTerm& term) { return variables.Judge(term); });
    if (match != Match::kYes) return false;
  } while (variables.Next());
  return true;
}

}  // namespace procctl
