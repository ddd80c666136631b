#include "node/core/lag_log.h"

#include <algorithm>

namespace procctl::node {

void LagLog::Note(Nanos lag, MonoTime now) {
  constexpr Nanos kMinute = std::chrono::minutes(1);
  if (now - minute_began_ >= kMinute) {
    // After a gap of minutes what was noted before it says nothing about the last one.
    last_minute_ = now - minute_began_ < 2 * kMinute ? this_minute_ : Nanos(0);
    this_minute_ = Nanos(0);
    minute_began_ = now;
  }
  last_ = std::max(lag, Nanos(0));
  this_minute_ = std::max(this_minute_, last_);
  worst_ = std::max(worst_, last_);
}

}  // namespace procctl::node
