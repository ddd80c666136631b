#include "controller/core/match_all.h"

#include "proto/support/filter_schemas.h"

namespace procctl::controller {
namespace {

constexpr std::string_view kBlanks = " \t\r\n";

std::string_view Trim(std::string_view text) {
  const size_t begin = text.find_first_not_of(kBlanks);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kBlanks) - begin + 1);
}

}  // namespace

absl::Status CheckKillFilter(const Filter& filter) {
  if (!filter.Uses(kSlotKeyCpu) && !filter.Uses(kSlotKeyMemory)) return absl::OkStatus();
  return absl::InvalidArgumentError(
      "a kill cannot choose by cpu or memory: they are asked of the nodes and may have changed "
      "since. List by them, then name the targets");
}

std::string_view AsFilter(std::string_view filter) {
  const std::string_view trimmed = Trim(filter);
  return trimmed == "*" ? std::string_view() : trimmed;
}

bool IsMatchAll(std::string_view filter) {
  const auto parsed = Filter::Parse(AsFilter(filter), SlotFilterSchema());
  return parsed.ok() && parsed->MatchesEverything();
}

}  // namespace procctl::controller
