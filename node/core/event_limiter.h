// Keeps one noisy client from filling the event log: at most `burst` records in a window, then only
// a count.
#pragma once

#include <cstdint>

#include "node/core/mono_time.h"

namespace procctl::node {

class EventLimiter {
 public:
  EventLimiter(int64_t burst, Nanos window) : burst_(burst), window_(window) {}

  // True if this one may be recorded. `*suppressed` is then how many were not since the last one
  // that was.
  bool Allow(MonoTime now, int64_t* suppressed);

 private:
  int64_t burst_;
  Nanos window_;
  MonoTime window_start_;
  int64_t used_ = 0;
  int64_t suppressed_ = 0;
};

}  // namespace procctl::node
