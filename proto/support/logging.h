// One logger for a whole program, to stderr: text on a terminal, one JSON object a line elsewhere.
// A thread of its own writes, so that nobody ever waits for whoever reads stderr.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "spdlog/spdlog.h"

namespace procctl {

// Lines that may wait for a slow reader of stderr; then the oldest are dropped, never the program
// delayed. Room for all of them is taken at the start, 400 bytes each; a thousand programs that end
// and start together say two lines each.
inline constexpr size_t kWaitingLines = 2048;

// Sets up spdlog's default logger. `format`: "text", "json" or "" (text on a terminal, else json).
// `level`: "debug", "info", "warning", "error" or "" (info). Call once, early in main, before any
// other thread runs.
absl::Status StartLogging(std::string_view program, std::string_view format, std::string_view level,
                          size_t waiting_lines = kWaitingLines);

// What StartLogging would refuse, for the check of a configuration file: OK, or INVALID_ARGUMENT
// with the fact and what to write instead.
absl::Status CheckLogFormat(std::string_view format);
absl::Status CheckLogLevel(std::string_view level);

// For broken invariants of our own, never for what the world does: logs and aborts.
[[noreturn]] void Fatal(std::string_view what);

}  // namespace procctl
