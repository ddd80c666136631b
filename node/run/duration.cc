#include "node/run/duration.h"

#include <array>
#include <charconv>
#include <cstdint>
#include <limits>

namespace procctl::run {
namespace {

struct Unit {
  std::string_view name;
  double milliseconds;
};
// "ms" before "m": the first match wins.
constexpr std::array<Unit, 5> kUnits = {
    {{"ms", 1}, {"s", 1e3}, {"m", 60e3}, {"h", 3600e3}, {"d", 86400e3}}};
constexpr double kMost = std::numeric_limits<uint32_t>::max();

}  // namespace

std::optional<std::chrono::milliseconds> ParseDuration(std::string_view text) {
  double total = 0;
  if (text.empty()) return std::nullopt;
  while (!text.empty()) {
    // from_chars would take a minus, "inf" and "nan".
    if (text.front() < '0' || text.front() > '9') return std::nullopt;
    double number = 0;
    const auto [end, error] =
        std::from_chars(text.data(), text.data() + text.size(), number, std::chars_format::fixed);
    if (error != std::errc()) return std::nullopt;
    text.remove_prefix(static_cast<size_t>(end - text.data()));
    const Unit* found = nullptr;
    for (const Unit& unit : kUnits) {
      if (found == nullptr && text.substr(0, unit.name.size()) == unit.name) found = &unit;
    }
    if (found == nullptr) return std::nullopt;
    text.remove_prefix(found->name.size());
    total += number * found->milliseconds;
    if (total > kMost) return std::nullopt;
  }
  return std::chrono::milliseconds(static_cast<int64_t>(total));
}

std::string FormatDuration(std::chrono::milliseconds duration) {
  struct Step {
    int64_t milliseconds;
    const char* name;
  };
  const int64_t count = duration.count();
  for (const Step& step : {Step{3600'000, "h"}, Step{60'000, "m"}, Step{1000, "s"}}) {
    if (count != 0 && count % step.milliseconds == 0)
      return std::to_string(count / step.milliseconds) + step.name;
  }
  return std::to_string(count) + "ms";
}

}  // namespace procctl::run
