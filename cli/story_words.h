// The small words that stories are made of.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "procctl/v1/event.pb.h"

namespace procctl::cli {

// Exact to the millisecond where FormatDuration() would round ("5.041s"): a silence of 5.04s must
// not read as "5s, limit 5s".
std::string ExactText(std::chrono::nanoseconds duration);

// In double quotes; those inside become single ones, so that a note cannot end its own quotation.
std::string Quote(std::string_view text);

// "120.5 MiB"
std::string BytesText(int64_t bytes);

// "a", "a and b", "a, b and c"
std::string JoinWords(const std::vector<std::string>& words);

// "1 thread", "3 threads"
std::string CountText(int64_t n, std::string_view one);

// "web-01/encoder (pid 4182)"
std::string Who(const v1::Event& event);

// From one event to another of the same node: exact by CLOCK_BOOTTIME within one boot, else by the
// wall clock; never negative.
std::chrono::nanoseconds Apart(const v1::Event& from, const v1::Event& to);

}  // namespace procctl::cli
