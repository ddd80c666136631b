#include "controller/core/match_all.h"

#include <algorithm>
#include <array>
#include <string>

#include "proto/support/filter.h"
#include "proto/support/filter_schemas.h"

namespace procctl::controller {
namespace {

constexpr std::string_view kBlanks = " \t\r\n";

std::string_view Trim(std::string_view text) {
  const size_t begin = text.find_first_not_of(kBlanks);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kBlanks) - begin + 1);
}

// Texts that have nothing in common, one of them as short as a name can be: what fits all of them
// fits any.
constexpr std::array<std::string_view, 3> kStrangers = {"\x01", "\x02\x03", "\x04.\x05/\x06:x"};

// Whether the term, but for its negation, holds for any row.
bool HoldsForAny(const FilterTerm& term, const FilterSchema& schema) {
  const std::vector<std::string>& choices = schema[static_cast<size_t>(term.key)].choices;
  switch (term.kind) {
    case FilterKey::Kind::kText:
    case FilterKey::Kind::kTexts:
      return std::all_of(kStrangers.begin(), kStrangers.end(), [&](std::string_view text) {
        return std::any_of(term.texts.begin(), term.texts.end(),
                           [&](const Glob& glob) { return glob.Matches(text); });
      });
    case FilterKey::Kind::kNumber:
      return false;
    case FilterKey::Kind::kChoice:
      for (size_t i = 0; i < choices.size(); ++i) {
        // What only a controller sets is no state that a row has (STALE).
        if (!choices[i].empty() && choices[i] != "stale" && !term.choices[i]) return false;
      }
      return true;
  }
  return false;
}

}  // namespace

absl::Status CheckKillFilter(std::string_view filter) {
  bool quoted = false;
  std::string word;
  for (const char c : filter) {
    if (c == '"') quoted = !quoted;
    if (quoted) continue;
    if (c >= 'a' && c <= 'z') {
      word += c;
      continue;
    }
    const bool compares = c == '=' || c == '!' || c == '<' || c == '>' || c == ':';
    if (compares && (word == "cpu" || word == "memory")) {
      return absl::InvalidArgumentError(
          "a kill cannot choose by " + word +
          ": it is asked of the nodes and may have changed since. List by it, then name the "
          "targets");
    }
    // Of a value nothing is a key: x.cpu, web-cpu.
    word = c == ' ' || c == '\t' || c == '(' || c == '-' ? "" : word + c;
  }
  return absl::OkStatus();
}

std::string_view AsFilter(std::string_view filter) {
  const std::string_view trimmed = Trim(filter);
  return trimmed == "*" ? std::string_view() : trimmed;
}

bool IsMatchAll(std::string_view filter) {
  const auto parsed = Filter::Parse(AsFilter(filter), SlotFilterSchema());
  if (!parsed.ok()) return false;
  return std::all_of(parsed->terms().begin(), parsed->terms().end(), [](const FilterTerm& term) {
    return !term.negated && HoldsForAny(term, SlotFilterSchema());
  });
}

}  // namespace procctl::controller
