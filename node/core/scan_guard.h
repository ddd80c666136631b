// Judges the guardian itself before it judges anybody: was this scan on time?
//
// Every scan credits at most two scan intervals of silence, however long ago the last one was, so
// time in which the guardian did not look is not held against anybody. After a gap (the guardian
// was stopped or starved for over five intervals, or the host was suspended) nothing is judged
// until five scans in a row were on time: those who slept with us need that long to be seen beating
// again.
#pragma once

#include <optional>

#include "node/core/mono_time.h"

namespace procctl::node {

struct Gap {
  // Suspend: the host slept. Otherwise a stall: only the guardian (and perhaps others) did not run.
  bool suspend = false;
  Nanos length{};
};

struct ScanVerdict {
  // By how much this scan came late.
  Nanos lag{};
  // Silence to add to every slot that did not beat.
  Nanos credited{};
  // False: no ladder starts and none goes on in this scan.
  bool may_judge = false;
  // Set in the scan that ends a gap.
  std::optional<Gap> gap;
  // True in the first scan that may judge again.
  bool resumed = false;
};

class ScanGuard {
 public:
  static constexpr int kCreditIntervals = 2;
  static constexpr int kStallIntervals = 5;
  static constexpr int kCalmScans = 5;
  // CLOCK_BOOTTIME and CLOCK_MONOTONIC are read one after the other; less than this is that, not a
  // suspend.
  static constexpr Nanos kSuspendNoise = std::chrono::milliseconds(20);

  // `suspended` is CLOCK_BOOTTIME - CLOCK_MONOTONIC.
  ScanGuard(Nanos interval, MonoTime now, Nanos suspended)
      : interval_(interval), last_(now), suspended_(suspended) {}

  // Call once per scan, with both clocks read together at its start.
  ScanVerdict Scan(MonoTime now, Nanos suspended);

  // Scans are this far apart from now on, the first of them one interval from `now`.
  void Pace(Nanos interval, MonoTime now) { interval_ = interval, last_ = now; }

 private:
  Nanos interval_;
  MonoTime last_;
  Nanos suspended_;
  int calm_needed_ = 0;
};

}  // namespace procctl::node
