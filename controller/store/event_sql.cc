#include "controller/store/event_sql.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "proto/support/filter_schemas.h"
#include "spdlog/fmt/fmt.h"

namespace procctl::controller {
namespace {

std::string_view Column(int key) {
  switch (static_cast<EventKey>(key)) {
    case kEventKeyNode:
      return "node";
    case kEventKeySlot:
      return "slot";
    case kEventKeyName:
      return "name";
    case kEventKeyKind:
      return "kind";
    case kEventKeyCause:
      return "cause";
    case kEventKeyVerdict:
      return "verdict";
    case kEventKeyOrder:
      return "order_id";
    case kEventKeyPid:
      return "pid";
    case kEventKeyKill:
      return "kill";
    case kEventKeyProgram:
      return "program";
    case kEventKeyRun:
      return "run";
  }
  return "";
}

// Columns that are NULL where the event says nothing, which a filter reads as empty or 0.
bool IsNullable(int key) {
  return key == kEventKeyOrder || key == kEventKeyProgram || key == kEventKeyRun ||
         key == kEventKeyKill;
}

// A plain column is what its index serves. In it NULL makes a comparison NULL, which is as good as
// false, but not beneath a NOT.
std::string TextTerm(const FilterTerm& term, bool negated, Condition* condition) {
  const std::string column(Column(term.key));
  const std::string text = IsNullable(term.key) ? fmt::format("ifnull({}, '')", column) : column;
  std::vector<std::string> any;
  for (const Glob& glob : term.texts) {
    if (glob.IsExact()) {
      const bool plain = !negated && !glob.exact_text().empty();
      any.push_back(fmt::format("{} = ?", plain ? column : text));
      condition->parameters.emplace_back(glob.exact_text());
    } else {
      any.push_back(fmt::format("{} GLOB ?", text));
      condition->parameters.emplace_back(glob.ToSqliteGlob());
    }
  }
  return fmt::format("({})", fmt::join(any, " OR "));
}

std::string_view Spelling(FilterTerm::Op op) {
  switch (op) {
    case FilterTerm::Op::kEqual:
      return "=";
    case FilterTerm::Op::kLess:
      return "<";
    case FilterTerm::Op::kLessEqual:
      return "<=";
    case FilterTerm::Op::kGreater:
      return ">";
    case FilterTerm::Op::kGreaterEqual:
      return ">=";
  }
  return "=";
}

// Zero fulfils it.
bool HoldsForZero(const FilterTerm& term) {
  const std::int64_t wanted = term.numbers.front();
  switch (term.op) {
    case FilterTerm::Op::kEqual:
      return std::find(term.numbers.begin(), term.numbers.end(), 0) != term.numbers.end();
    case FilterTerm::Op::kLess:
      return wanted > 0;
    case FilterTerm::Op::kLessEqual:
      return wanted >= 0;
    case FilterTerm::Op::kGreater:
      return wanted < 0;
    case FilterTerm::Op::kGreaterEqual:
      return wanted <= 0;
  }
  return true;
}

// Kill numbers are NULL for none, so that their index holds only kills.
std::string NumberTerm(const FilterTerm& term, bool negated, Condition* condition) {
  const bool null_is_zero = IsNullable(term.key) && (negated || HoldsForZero(term));
  const std::string column =
      null_is_zero ? fmt::format("ifnull({}, 0)", Column(term.key)) : std::string(Column(term.key));
  for (const std::int64_t number : term.numbers) condition->parameters.emplace_back(number);
  if (term.op != FilterTerm::Op::kEqual) return fmt::format("{} {} ?", column, Spelling(term.op));
  return fmt::format("{} IN ({})", column,
                     fmt::join(std::vector<std::string_view>(term.numbers.size(), "?"), ","));
}

std::string ChoiceTerm(const FilterTerm& term, Condition* condition) {
  std::vector<std::string_view> marks;
  for (size_t i = 0; i < term.choices.size(); ++i) {
    if (!term.choices[i]) continue;
    marks.emplace_back("?");
    condition->parameters.emplace_back(static_cast<std::int64_t>(i));
  }
  return fmt::format("{} IN ({})", Column(term.key), fmt::join(marks, ","));
}

std::string TermSql(const FilterTerm& term, bool negated, Condition* condition) {
  switch (term.kind) {
    case FilterKey::Kind::kText:
    case FilterKey::Kind::kTexts:
      return TextTerm(term, negated, condition);
    case FilterKey::Kind::kNumber:
    case FilterKey::Kind::kDuration:
    case FilterKey::Kind::kSize:
      return NumberTerm(term, negated, condition);
    case FilterKey::Kind::kChoice:
      return ChoiceTerm(term, condition);
  }
  return "0";
}

// `negated`: it stands beneath a NOT. Parameters are added in the order of their marks.
std::string NodeSql(const FilterNode& node, bool negated, Condition* condition) {
  switch (node.kind) {
    case FilterNode::Kind::kTerm:
      return TermSql(node.term, negated, condition);
    case FilterNode::Kind::kNot:
      return fmt::format("NOT ({})", NodeSql(node.children.front(), true, condition));
    case FilterNode::Kind::kAll:
    case FilterNode::Kind::kAny:
      break;
  }
  std::vector<std::string> parts;
  parts.reserve(node.children.size());
  for (const FilterNode& child : node.children) {
    parts.push_back(NodeSql(child, negated, condition));
  }
  if (parts.empty()) return "1";
  if (parts.size() == 1) return parts.front();
  const bool any = node.kind == FilterNode::Kind::kAny;
  return fmt::format("({})", fmt::join(parts, any ? " OR " : " AND "));
}

}  // namespace

Condition EventCondition(const Filter& filter) {
  Condition condition;
  // The terms of the outermost level stand side by side, so that SQLite picks the best index.
  condition.sql = NodeSql(filter.root(), /*negated=*/false, &condition);
  return condition;
}

}  // namespace procctl::controller
