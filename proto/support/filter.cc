#include "proto/support/filter.h"

#include <algorithm>
#include <charconv>
#include <iterator>

#include "spdlog/fmt/fmt.h"

namespace procctl {
namespace {

constexpr size_t kMostBytes = 4096;
constexpr size_t kMostValues = 64;

bool IsBlank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

std::vector<std::string_view> Split(std::string_view text, bool (*separates)(char)) {
  std::vector<std::string_view> parts;
  size_t begin = 0;
  for (size_t i = 0; i <= text.size(); ++i) {
    if (i < text.size() && !separates(text[i])) continue;
    parts.push_back(text.substr(begin, i - begin));
    begin = i + 1;
  }
  return parts;
}

std::string LowerCase(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return lower;
}

std::uint64_t Fnv1a(std::string_view text) {
  std::uint64_t hash = 14695981039346656037U;
  for (const char c : text) {
    hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211U;
  }
  return hash;
}

absl::Status AddValue(const FilterKey& key, std::string_view value, FilterTerm* term) {
  switch (key.kind) {
    case FilterKey::Kind::kText:
    case FilterKey::Kind::kTexts:
      term->texts.emplace_back(value);
      return absl::OkStatus();
    case FilterKey::Kind::kNumber: {
      std::int64_t number = 0;
      const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
      if (error != std::errc() || end != value.data() + value.size()) {
        return absl::InvalidArgumentError(fmt::format(
            "filter: {}={}: a number is needed, e.g. {}=4242", key.name, value, key.name));
      }
      term->numbers.push_back(number);
      return absl::OkStatus();
    }
    case FilterKey::Kind::kChoice: {
      const Glob glob(LowerCase(value));
      bool known = false;
      for (size_t i = 0; i < key.choices.size(); ++i) {
        if (!glob.Matches(key.choices[i])) continue;
        term->choices[i] = true;
        known = true;
      }
      if (known) return absl::OkStatus();
      std::vector<std::string_view> names;
      std::copy_if(key.choices.begin(), key.choices.end(), std::back_inserter(names),
                   [](const std::string& choice) { return !choice.empty(); });
      return absl::InvalidArgumentError(fmt::format("filter: {}={}: no such {}; it is one of {}",
                                                    key.name, value, key.name,
                                                    fmt::join(names, ", ")));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<FilterTerm> ParseTerm(std::string_view text, const FilterSchema& schema) {
  const size_t equals = text.find('=');
  const bool negated = equals != std::string_view::npos && equals > 0 && text[equals - 1] == '!';
  const std::string_view name = text.substr(0, equals == std::string_view::npos ? text.size()
                                               : negated                        ? equals - 1
                                                                                : equals);
  if (equals == std::string_view::npos || name.empty()) {
    return absl::InvalidArgumentError(fmt::format(
        "filter: \"{}\" is not KEY=VALUE or KEY!=VALUE, e.g. {}=...", text, schema.front().name));
  }
  const auto key = std::find_if(schema.begin(), schema.end(),
                                [&](const FilterKey& known) { return known.name == name; });
  if (key == schema.end()) {
    std::vector<std::string_view> names;
    for (const FilterKey& known : schema) names.push_back(known.name);
    return absl::InvalidArgumentError(fmt::format(
        "filter: there is no key \"{}\" here; keys are {}", name, fmt::join(names, ", ")));
  }
  FilterTerm term;
  term.key = static_cast<int>(key - schema.begin());
  term.kind = key->kind;
  term.negated = negated;
  term.choices.resize(key->choices.size());
  for (const std::string_view value :
       Split(text.substr(equals + 1), [](char c) { return c == ','; })) {
    if (value.empty()) {
      return absl::InvalidArgumentError(
          fmt::format("filter: \"{}\" has an empty value; write {}=* for any", text, name));
    }
    if (absl::Status added = AddValue(*key, value, &term); !added.ok()) return added;
  }
  return term;
}

}  // namespace

absl::StatusOr<Filter> Filter::Parse(std::string_view text, const FilterSchema& schema) {
  if (text.size() > kMostBytes) {
    return absl::InvalidArgumentError(
        fmt::format("filter: {} bytes; at most {} are allowed", text.size(), kMostBytes));
  }
  Filter filter;
  size_t values = 0;
  for (const std::string_view part : Split(text, IsBlank)) {
    if (part.empty()) continue;
    auto term = ParseTerm(part, schema);
    if (!term.ok()) return term.status();
    values += 1 + static_cast<size_t>(std::count(part.begin(), part.end(), ','));
    filter.terms_.push_back(*std::move(term));
  }
  if (values > kMostValues) {
    return absl::InvalidArgumentError(
        fmt::format("filter: {} values; at most {} are allowed", values, kMostValues));
  }
  filter.fingerprint_ = Fnv1a(text);
  return filter;
}

bool Filter::AnyMatches(const std::vector<Glob>& globs, std::string_view text) {
  return std::any_of(globs.begin(), globs.end(),
                     [&](const Glob& glob) { return glob.Matches(text); });
}

bool Filter::Contains(const std::vector<std::int64_t>& numbers, std::int64_t number) {
  return std::find(numbers.begin(), numbers.end(), number) != numbers.end();
}

}  // namespace procctl
