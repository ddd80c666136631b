// What a controller keeps of events and orders.
#pragma once

#include <chrono>
#include <cstdint>

namespace procctl::controller {

struct HistoryLimits {
  // Events older than this are dropped, the oldest first. 0: kept for ever.
  std::chrono::nanoseconds keep = std::chrono::hours(24 * 90);
  // Above so many bytes of database the oldest events are dropped, whatever their age. 0: no bound.
  std::int64_t max_bytes = 16LL << 30;
  // At start the database is checked for so long at most. 0: not at all.
  std::chrono::nanoseconds check = std::chrono::seconds(10);
};

}  // namespace procctl::controller
