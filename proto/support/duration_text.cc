#include "proto/support/duration_text.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdint>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "spdlog/fmt/fmt.h"

namespace procctl {
namespace {

struct Unit {
  std::string_view name;
  double nanoseconds;
};
// "ms" before "m": the first match wins.
constexpr std::array<Unit, 7> kUnits = {
    {{"ms", 1e6}, {"us", 1e3}, {"ns", 1}, {"s", 1e9}, {"m", 60e9}, {"h", 3600e9}, {"d", 86400e9}}};
constexpr double kMost = 100.0 * 365.25 * 86400e9;

absl::Status Malformed(std::string_view text) {
  return absl::InvalidArgumentError(
      fmt::format("\"{}\" is not a duration; write for example 250ms, 5s, 2m or 1h30m", text));
}

}  // namespace

absl::StatusOr<std::chrono::nanoseconds> ParseDuration(std::string_view text) {
  std::string_view rest = text;
  double total = 0;
  if (rest.empty()) return Malformed(text);
  while (!rest.empty()) {
    double number = 0;
    const char first = rest.front();
    if (first < '0' || first > '9') return Malformed(text);
    const auto [end, error] =
        std::from_chars(rest.data(), rest.data() + rest.size(), number, std::chars_format::fixed);
    if (error != std::errc()) return Malformed(text);
    rest.remove_prefix(static_cast<size_t>(end - rest.data()));
    bool known = false;
    for (const Unit& unit : kUnits) {
      if (rest.substr(0, unit.name.size()) != unit.name) continue;
      rest.remove_prefix(unit.name.size());
      total += number * unit.nanoseconds;
      known = true;
      break;
    }
    if (!known) return Malformed(text);
  }
  if (total > kMost) {
    return absl::InvalidArgumentError(fmt::format("\"{}\" is longer than 100 years", text));
  }
  return std::chrono::nanoseconds(std::llround(total));
}

std::string FormatDuration(std::chrono::nanoseconds duration) {
  const auto ns = duration.count();
  // The least of all has no opposite; one nanosecond is not shown of it.
  if (ns < 0) {
    return fmt::format("-{}",
                       FormatDuration(-std::max(duration, -std::chrono::nanoseconds::max())));
  }
  if (ns < 999'500) return ns == 0 ? "0s" : fmt::format("{}us", (ns + 500) / 1000);
  if (ns < 99'500'000) return fmt::format("{}ms", (ns + 500'000) / 1'000'000);
  if (ns < 9'950'000'000) {
    const auto tenths = (ns + 50'000'000) / 100'000'000;
    return tenths % 10 == 0 ? fmt::format("{}s", tenths / 10)
                            : fmt::format("{}.{}s", tenths / 10, tenths % 10);
  }
  // Rounded without a sum, which the greatest of all has no room for.
  const int64_t seconds = ns / 1'000'000'000 + (ns % 1'000'000'000 >= 500'000'000 ? 1 : 0);
  struct Step {
    int64_t big, small;
    char big_name, small_name;
  };
  for (const Step& step :
       {Step{86400, 3600, 'd', 'h'}, Step{3600, 60, 'h', 'm'}, Step{60, 1, 'm', 's'}}) {
    if (seconds < step.big) continue;
    const int64_t low = seconds % step.big / step.small;
    return low == 0
               ? fmt::format("{}{}", seconds / step.big, step.big_name)
               : fmt::format("{}{}{}{}", seconds / step.big, step.big_name, low, step.small_name);
  }
  return fmt::format("{}s", seconds);
}

}  // namespace procctl
