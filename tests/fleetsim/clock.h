// The simulator's clocks, as the numbers that its deciders take.
#pragma once

#include <time.h>

#include <cstdint>

namespace procctl::fleetsim {

inline std::int64_t ReadClockNs(clockid_t clock) {
  timespec time = {};
  clock_gettime(clock, &time);
  return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

// CLOCK_MONOTONIC, which all processes of a host share: two of them can compare moments.
inline std::int64_t MonoNs() { return ReadClockNs(CLOCK_MONOTONIC); }
inline std::int64_t WallNs() { return ReadClockNs(CLOCK_REALTIME); }

}  // namespace procctl::fleetsim
