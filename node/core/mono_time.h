// Time as the deciders see it: handed in, never read. A clock tag of its own, so that wall time
// cannot slip in.
#pragma once

#include <chrono>

namespace procctl::node {

// CLOCK_MONOTONIC. Has no now(): only the shell reads clocks.
struct MonoClock {
  using duration = std::chrono::nanoseconds;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<MonoClock>;
  static constexpr bool is_steady = true;
};

using MonoTime = MonoClock::time_point;
using Nanos = std::chrono::nanoseconds;

}  // namespace procctl::node
