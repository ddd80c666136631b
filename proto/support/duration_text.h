// Durations as people write and read them.
#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace procctl {

// "250ms", "5s", "1.5s", "2m", "1h", "3d" or sums ("1h30m"). No sign, no blanks; a bare number is
// refused because its unit would be a guess. At most 100 years.
absl::StatusOr<std::chrono::nanoseconds> ParseDuration(std::string_view text);

// Short, for a table cell or a sentence: "0.4s", "7.2s", "41s", "5m10s", "3d2h"; below 100 ms in ms
// ("38ms").
std::string FormatDuration(std::chrono::nanoseconds duration);

}  // namespace procctl
