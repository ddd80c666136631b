// Filters, as anybody with a viewer's certificate sends them.
#include <algorithm>
#include <charconv>
#include <string>
#include <string_view>

#include "proto/support/filter.h"
#include "proto/support/filter_schemas.h"
#include "tests/fuzz/target.h"

namespace {

using namespace procctl;

// Answers made of the bytes themselves, so that each branch is taken by some input.
struct Row {
  std::string_view text;
  std::string_view Text(int key) const { return text.substr(0, static_cast<size_t>(key)); }
  NumberRange Number(int key) const {
    return key % 3 == 0 ? NumberRange() : NumberRange(static_cast<std::int64_t>(text.size()));
  }
  int Choice(int key) const { return static_cast<int>(text.size()) % (key + 5); }
};

bool SameTree(const FilterNode& a, const FilterNode& b) {
  if (a.kind != b.kind || !(a.term == b.term) || a.children.size() != b.children.size()) {
    return false;
  }
  for (size_t i = 0; i < a.children.size(); ++i) {
    if (!SameTree(a.children[i], b.children[i])) return false;
  }
  return true;
}

size_t Depth(const FilterNode& node) {
  size_t deepest = 0;
  for (const FilterNode& child : node.children) deepest = std::max(deepest, Depth(child));
  return deepest + 1;
}

size_t Values(const FilterNode& node) {
  size_t values = std::max(node.term.texts.size(), node.term.numbers.size());
  for (const FilterNode& child : node.children) values += Values(child);
  return values;
}

void CheckFault(std::string_view filter, std::string_view message) {
  constexpr std::string_view kHead = "filter, column ";
  if (filter.size() > Filter::kMostBytes) return;
  PROCCTL_MUST(message.substr(0, kHead.size()) == kHead);
  size_t column = 0;
  std::from_chars(message.data() + kHead.size(), message.data() + message.size(), column);
  PROCCTL_MUST(column >= 1 && column <= filter.size() + 1);
  for (const char c : message) PROCCTL_MUST(c == '\n' || static_cast<unsigned char>(c) >= 0x20);
  // Three lines, and the caret under something of the second, or right behind it.
  const size_t second = message.find('\n');
  PROCCTL_MUST(second != std::string_view::npos);
  const size_t third = message.find('\n', second + 1);
  PROCCTL_MUST(third != std::string_view::npos);
  PROCCTL_MUST(message.find('\n', third + 1) == std::string_view::npos);
  PROCCTL_MUST(message.back() == '^');
  PROCCTL_MUST(message.size() - third <= third - second + 1);
}

void CheckWith(std::string_view filter, const FilterSchema& schema) {
  const auto parsed = Filter::Parse(filter, schema);
  if (!parsed.ok()) {
    CheckFault(filter, std::string(parsed.status().message()));
    return;
  }
  PROCCTL_MUST(filter.size() <= Filter::kMostBytes);
  PROCCTL_MUST(Depth(parsed->root()) <= 4 * static_cast<size_t>(Filter::kMostDepth + 1));
  PROCCTL_MUST(Values(parsed->root()) <= Filter::kMostValues);
  const auto again = Filter::Parse(filter, schema);
  PROCCTL_MUST(again.ok() && SameTree(again->root(), parsed->root()));
  PROCCTL_MUST(again->fingerprint() == parsed->fingerprint());

  const Row row{filter};
  const Match match = parsed->Judge(row);
  PROCCTL_MUST(parsed->Matches(row) == (match == Match::kYes));
  // In parentheses it means the same, unless they are too many or one of its words takes them.
  const auto inner = Filter::Parse("( " + std::string(filter) + " )", schema);
  if (inner.ok() && filter.find(')') == std::string_view::npos) {
    PROCCTL_MUST(inner->Judge(row) == match);
  }
  const auto denied = Filter::Parse("NOT ( " + std::string(filter) + " )", schema);
  if (denied.ok() && filter.find(')') == std::string_view::npos) {
    const Match opposite = denied->Judge(row);
    PROCCTL_MUST((match == Match::kMaybe) == (opposite == Match::kMaybe));
    PROCCTL_MUST(match == Match::kMaybe || match != opposite);
    PROCCTL_MUST(!(denied->MatchesEverything() && parsed->MatchesEverything()));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view filter(reinterpret_cast<const char*>(data), size);
  CheckWith(filter, procctl::SlotFilterSchema());
  CheckWith(filter, procctl::EventFilterSchema());
  CheckWith(filter, procctl::ProgramFilterSchema());
  return 0;
}
