#include "controller/store/event_sql.h"

#include <algorithm>
#include <string_view>

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

// `exact` is for the plain column, which its index serves; the rest must treat NULL as empty text.
std::string TextTerm(const FilterTerm& term, Condition* condition) {
  const std::string column(Column(term.key));
  const bool nullable =
      term.key == kEventKeyOrder || term.key == kEventKeyProgram || term.key == kEventKeyRun;
  const std::string text = nullable ? fmt::format("ifnull({}, '')", column) : column;
  std::vector<std::string> any;
  for (const Glob& glob : term.texts) {
    if (glob.IsExact()) {
      any.push_back(fmt::format("{} = ?", term.negated ? text : column));
      condition->parameters.emplace_back(glob.exact_text());
    } else {
      any.push_back(fmt::format("{} GLOB ?", text));
      condition->parameters.emplace_back(glob.ToSqliteGlob());
    }
  }
  return fmt::format("({})", fmt::join(any, " OR "));
}

// Kill numbers are NULL for none, so that their index holds only kills; asked for 0, or for all but
// some, NULL must be treated as 0.
std::string NumberTerm(const FilterTerm& term, Condition* condition) {
  std::vector<std::string_view> marks;
  const auto add = [&](std::int64_t number) {
    marks.emplace_back("?");
    condition->parameters.emplace_back(number);
  };
  for (const std::int64_t number : term.numbers) add(number);
  for (size_t i = 0; i < term.choices.size(); ++i) {
    if (term.choices[i]) add(static_cast<std::int64_t>(i));
  }
  const bool zero = std::find(term.numbers.begin(), term.numbers.end(), 0) != term.numbers.end();
  const bool null_is_zero = term.key == kEventKeyKill && (zero || term.negated);
  return fmt::format("{} IN ({})", null_is_zero ? "ifnull(kill, 0)" : Column(term.key),
                     fmt::join(marks, ","));
}

}  // namespace

Condition EventCondition(const Filter& filter) {
  Condition condition;
  for (const FilterTerm& term : filter.terms()) {
    const std::string sql = term.kind == FilterKey::Kind::kText ? TextTerm(term, &condition)
                                                                : NumberTerm(term, &condition);
    if (!condition.sql.empty()) condition.sql += " AND ";
    condition.sql += term.negated ? fmt::format("NOT ({})", sql) : sql;
  }
  if (condition.sql.empty()) condition.sql = "1";
  return condition;
}

}  // namespace procctl::controller
