// One datagram of the sd_notify(3) protocol: NAME=VALUE lines from a program that speaks it.
// Foreign bytes: a program may send anything.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace procctl::notify {

// Longer ones are dropped as a whole: half a message could say the opposite.
inline constexpr size_t kMostBytes = 4096;

struct Message {
  bool ready = false;
  bool reloading = false;
  bool stopping = false;
  // WATCHDOG=1: alive.
  bool watchdog = false;
  // WATCHDOG=trigger: it gives itself up.
  bool trigger = false;
  // As sent, every byte of it hostile; without a newline.
  std::optional<std::string> status;
  // Greater than 1. Whether it may be believed is for the caller to prove.
  std::optional<int32_t> main_pid;
  std::optional<int32_t> error_number;
  // Greater than zero, at most kLongest.
  std::optional<std::chrono::microseconds> watchdog_limit;
  std::optional<std::chrono::microseconds> extend;
  // Lines that are no assignment, or assign what makes no sense to a name that we know. Names that
  // mean nothing to us are allowed and passed over; BARRIER and FDSTORE are about descriptors,
  // which the receiver has closed by then.
  int bad = 0;
};

// What is longer means "for ever" and is taken as this.
inline constexpr std::chrono::hours kLongest{24 * 49};

// Nullopt: empty, longer than kMostBytes, or with a NUL in it. Lines may come in any order; of two
// equal names the last counts. The newline at the end may be missing.
std::optional<Message> Parse(std::string_view datagram);

}  // namespace procctl::notify
