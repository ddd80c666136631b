// The uplink's one clock: CLOCK_BOOTTIME, which no one can set and which goes on while the host
// sleeps. An order does not get younger in a suspended host, and a session that slept is an old
// one.
#pragma once

#include <time.h>

#include <chrono>
#include <ratio>

namespace procctl::uplink {

struct BootClock {
  using duration = std::chrono::nanoseconds;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<BootClock>;
  static constexpr bool is_steady = true;

  static time_point now() {
    timespec t{};
    (void)clock_gettime(CLOCK_BOOTTIME, &t);  // Fails only for a bad pointer or clock.
    return time_point(std::chrono::seconds(t.tv_sec) + std::chrono::nanoseconds(t.tv_nsec));
  }
};

using BootTime = BootClock::time_point;

}  // namespace procctl::uplink
