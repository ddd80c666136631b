#include "node/core/scan_guard.h"

#include <algorithm>

namespace procctl::node {

ScanVerdict ScanGuard::Scan(MonoTime now, Nanos suspended) {
  const Nanos elapsed = now - last_;
  const Nanos slept = suspended - suspended_;
  last_ = now;
  suspended_ = suspended;

  ScanVerdict verdict;
  verdict.lag = std::max(elapsed - interval_, Nanos(0));
  verdict.credited = std::clamp<Nanos>(elapsed, Nanos(0), kCreditIntervals * interval_);
  if (slept > kSuspendNoise) {
    verdict.gap = Gap{.suspend = true, .length = slept};
  } else if (elapsed > kStallIntervals * interval_) {
    verdict.gap = Gap{.suspend = false, .length = elapsed};
  }
  if (verdict.gap) {
    calm_needed_ = kCalmScans;
    return verdict;
  }
  if (calm_needed_ > 0) {
    // A scan that was late itself does not count as calm, and starts the count again.
    calm_needed_ = elapsed > kCreditIntervals * interval_ ? kCalmScans : calm_needed_ - 1;
    verdict.resumed = calm_needed_ == 0;
  }
  verdict.may_judge = calm_needed_ == 0;
  return verdict;
}

}  // namespace procctl::node
