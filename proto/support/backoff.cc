#include "proto/support/backoff.h"

#include <algorithm>

namespace procctl {

std::chrono::milliseconds Backoff::Next(double unit) {
  const auto delay = std::chrono::milliseconds(
      static_cast<std::chrono::milliseconds::rep>(static_cast<double>(bound_.count()) * unit));
  bound_ = std::min(cap_, bound_ * 2);
  return delay;
}

}  // namespace procctl
