// Time as the core sees it: an argument. A clock tag of its own, so that steady and wall time
// cannot mix; only the shell reads clocks.
#pragma once

#include <chrono>
#include <cstdint>

namespace procctl::controller {

struct MonoClock {
  using rep = std::int64_t;
  using period = std::nano;
  using duration = std::chrono::nanoseconds;
  using time_point = std::chrono::time_point<MonoClock>;
  static constexpr bool is_steady = true;
};

using MonoTime = MonoClock::time_point;
using WallTime = std::chrono::system_clock::time_point;

}  // namespace procctl::controller
