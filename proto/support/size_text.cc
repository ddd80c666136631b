#include "proto/support/size_text.h"

#include <charconv>
#include <cmath>

#include "absl/status/status.h"
#include "spdlog/fmt/fmt.h"

namespace procctl {
namespace {

constexpr std::string_view kUnits = "KMGT";
// Below 2^53 a double holds every whole number.
constexpr double kMost = 8191.0 * (int64_t{1} << 40);

absl::Status Malformed(std::string_view text, std::string_view why) {
  return absl::InvalidArgumentError(fmt::format(
      "\"{}\" is not a size{}; write bytes, or for example 64K, 512M or 2G", text, why));
}

}  // namespace

absl::StatusOr<int64_t> ParseSize(std::string_view text) {
  double number = 0;
  // from_chars would take a sign, "inf" and "nan".
  if (text.empty() || text.front() < '0' || text.front() > '9') {
    return Malformed(text, !text.empty() && text.front() == '-' ? ", it is negative" : "");
  }
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), number, std::chars_format::fixed);
  const std::string_view unit = text.substr(static_cast<size_t>(end - text.data()));
  if (error != std::errc() || unit.size() > 1) return Malformed(text, "");
  if (unit.empty()) {
    if (number != std::floor(number)) return Malformed(text, ", it is no whole number of bytes");
  } else {
    const size_t power = kUnits.find(unit.front());
    if (power == std::string_view::npos) return Malformed(text, "");
    number = std::ldexp(number, 10 * (static_cast<int>(power) + 1));
  }
  if (number > kMost) {
    return absl::InvalidArgumentError(fmt::format("\"{}\" is more than 8191T", text));
  }
  return std::llround(number);
}

std::string FormatSize(int64_t bytes) {
  if (bytes < 0) return fmt::format("-{}", FormatSize(bytes == INT64_MIN ? INT64_MAX : -bytes));
  // Where rounding reaches 1024 of a unit, it is 1 of the next.
  double amount = static_cast<double>(bytes);
  size_t unit = 0;
  while (unit < kUnits.size() && (unit == 0 ? amount >= 1024 : amount >= 1023.95)) {
    amount /= 1024;
    ++unit;
  }
  if (unit == 0) return fmt::format("{}", bytes);
  const auto tenths = std::llround(amount * 10);
  return tenths % 10 == 0 ? fmt::format("{}{}", tenths / 10, kUnits[unit - 1])
                          : fmt::format("{}.{}{}", tenths / 10, tenths % 10, kUnits[unit - 1]);
}

}  // namespace procctl
