// Durations as they are written on the command line. Like proto/support's parser, without what that
// one links.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace procctl::run {

// "500ms", "5s", "1.5s", "2m", "1h", "1d" or sums ("1h30m"); fractions of a millisecond are cut. No
// sign, no blanks; a bare number is refused because its unit would be a guess. Nullopt: malformed,
// or longer than the heartbeat page can say (2^32-1 ms, 49 days).
std::optional<std::chrono::milliseconds> ParseDuration(std::string_view text);

// For a sentence, whole: "500ms", "90s", "2m", "1h".
std::string FormatDuration(std::chrono::milliseconds duration);

}  // namespace procctl::run
