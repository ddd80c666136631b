// The only place of the controller that reads clocks.
#pragma once

#include "controller/core/mono_time.h"

namespace procctl::controller {

inline MonoTime MonoNow() {
  return MonoTime(std::chrono::duration_cast<std::chrono::nanoseconds>(
      std::chrono::steady_clock::now().time_since_epoch()));
}

inline WallTime WallNow() { return std::chrono::system_clock::now(); }

}  // namespace procctl::controller
