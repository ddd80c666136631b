#include "node/core/event_limiter.h"

#include <utility>

namespace procctl::node {

bool EventLimiter::Allow(MonoTime now, int64_t* suppressed) {
  if (now - window_start_ >= window_) {
    window_start_ = now;
    used_ = 0;
  }
  if (used_ >= burst_) {
    ++suppressed_;
    return false;
  }
  ++used_;
  *suppressed = std::exchange(suppressed_, 0);
  return true;
}

}  // namespace procctl::node
