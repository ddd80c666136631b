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
  // Whoever sent it waits until its descriptor is closed.
  bool barrier = false;
  // FDSTORE=1: wants us to keep descriptors. We never do.
  bool store = false;
  // As sent, every byte of it hostile; without a newline.
  std::optional<std::string> status;
  // Greater than 1. Whether it may be believed is for the caller to prove.
  std::optional<int32_t> main_pid;
  std::optional<int32_t> error_number;
  // Greater than zero, at most kLongest.
  std::optional<std::chrono::microseconds> watchdog_limit;
  std::optional<std::chrono::microseconds> extend;
  // Lines that were passed over: of a name that means nothing to us (allowed), and of a known name
  // with a value that makes no sense.
  int unknown = 0;
  int bad = 0;
};

// What is longer means "for ever" and is taken as this.
inline constexpr std::chrono::hours kLongest{24 * 49};

// Nullopt: empty, longer than kMostBytes, or with a NUL in it. Lines may come in any order; of two
// equal names the last counts. The newline at the end may be missing.
std::optional<Message> Parse(std::string_view datagram);

}  // namespace procctl::notify
