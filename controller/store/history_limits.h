#pragma once

#include <chrono>
#include <cstdint>

namespace procctl::controller {

// How much of the past an engine keeps, and how long it may look at its database before it serves
// (config: history).
struct HistoryLimits {
  // Events older than this are dropped, the oldest first. 0: kept for ever.
  std::chrono::nanoseconds keep = std::chrono::hours(90 * 24);
  // Above so many bytes in use the oldest events are dropped, whatever their age. 0: no bound.
  std::int64_t max_bytes = std::int64_t{16} << 30;
  // At start the database is checked for so long at most. 0: not at all.
  std::chrono::nanoseconds check = std::chrono::seconds(10);
};

}  // namespace procctl::controller
