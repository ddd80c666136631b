#include "proto/support/filter_values.h"

#include <charconv>
#include <vector>

#include "proto/support/duration_text.h"
#include "proto/support/escape.h"
#include "proto/support/nearest_name.h"
#include "proto/support/size_text.h"
#include "spdlog/fmt/fmt.h"

namespace procctl {
namespace {

constexpr size_t kMostShown = 64;

std::string LowerCase(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return lower;
}

// " did you mean ...?", or nothing.
std::string Hint(const std::vector<std::string>& known, std::string_view wanted) {
  const std::string nearest = NearestName(known, wanted);
  return nearest.empty() ? "" : fmt::format(" did you mean {}?", nearest);
}

absl::Status AddChoice(const FilterKey& key, const FilterValue& value, FilterTerm* term) {
  const std::string wanted = LowerCase(value.text);
  const Glob glob = value.quoted ? Glob::Exact(wanted) : Glob(wanted);
  bool known = false;
  std::vector<std::string> names;
  for (size_t i = 0; i < key.choices.size(); ++i) {
    if (key.choices[i].empty()) continue;
    names.push_back(key.choices[i]);
    if (!glob.Matches(key.choices[i])) continue;
    term->choices[i] = true;
    known = true;
  }
  if (known) return absl::OkStatus();
  return absl::InvalidArgumentError(fmt::format("{}={}: no such {};{} it is one of {}", key.name,
                                                ShownValue(value.text), key.name,
                                                Hint(names, wanted), fmt::join(names, ", ")));
}

absl::StatusOr<std::int64_t> NumberOf(const FilterKey& key, const std::string& text) {
  if (key.kind == FilterKey::Kind::kDuration) {
    const auto duration = ParseDuration(text);
    if (!duration.ok()) {
      return absl::InvalidArgumentError(fmt::format(
          "{}: a duration is needed, e.g. {}>90s; units are s, m, h and d", key.name, key.name));
    }
    return duration->count();
  }
  if (key.kind == FilterKey::Kind::kSize) {
    const auto size = ParseSize(text);
    if (!size.ok()) {
      return absl::InvalidArgumentError(fmt::format(
          "{}: a size is needed, e.g. {}>500M; units are K, M, G and T", key.name, key.name));
    }
    return *size;
  }
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) {
    return absl::InvalidArgumentError(
        fmt::format("{}: a number is needed, e.g. {}=4242", key.name, key.name));
  }
  return number;
}

}  // namespace

bool HasOrder(const FilterKey& key) {
  return key.kind == FilterKey::Kind::kNumber || key.kind == FilterKey::Kind::kDuration ||
         key.kind == FilterKey::Kind::kSize;
}

absl::Status AddValue(const FilterKey& key, const FilterOperator& op, const FilterValue& value,
                      FilterTerm* term) {
  switch (key.kind) {
    case FilterKey::Kind::kText:
    case FilterKey::Kind::kTexts: {
      const Glob glob = value.quoted ? Glob::Exact(value.text) : Glob(value.text);
      term->texts.push_back(op.contains ? glob.Containing() : glob);
      return absl::OkStatus();
    }
    case FilterKey::Kind::kChoice:
      return AddChoice(key, value, term);
    case FilterKey::Kind::kNumber:
    case FilterKey::Kind::kDuration:
    case FilterKey::Kind::kSize:
      break;
  }
  const auto number = NumberOf(key, value.text);
  if (!number.ok()) return number.status();
  term->numbers.push_back(*number);
  return absl::OkStatus();
}

std::string NoSuchKey(const FilterSchema& schema, std::string_view name) {
  std::vector<std::string> names;
  names.reserve(schema.size());
  for (const FilterKey& known : schema) names.emplace_back(known.name);
  return fmt::format("there is no key \"{}\" here;{} keys are {}", ShownValue(name),
                     Hint(names, name), fmt::join(names, ", "));
}

std::string ShownValue(std::string_view text) {
  return text.size() <= kMostShown ? Escape(text) : Escape(text.substr(0, kMostShown)) + "...";
}

}  // namespace procctl
