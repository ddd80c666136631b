// How long to wait before the next try: exponential, capped, full jitter, so that ten thousand
// nodes which lost a controller together do not come back together. Pure: randomness comes in as an
// argument.
#pragma once

#include <algorithm>
#include <chrono>

namespace procctl {

class Backoff {
 public:
  // The n-th delay (n from 0) is uniform in [0, min(cap, first * 2^n)].
  Backoff(std::chrono::milliseconds first, std::chrono::milliseconds cap)
      : first_(std::min(first, cap)), cap_(cap), bound_(first_) {}

  // `unit` is a random number in [0, 1).
  std::chrono::milliseconds Next(double unit);

  // After a success: the next delay is a first one again.
  void Reset() { bound_ = first_; }

 private:
  std::chrono::milliseconds first_;
  std::chrono::milliseconds cap_;
  std::chrono::milliseconds bound_;
};

}  // namespace procctl
