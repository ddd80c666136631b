#include "tests/fleetsim/reconnect.h"

#include <algorithm>

namespace procctl::fleetsim {
namespace {

template <typename D>
D Share(D whole, double unit) {
  return D(static_cast<typename D::rep>(static_cast<double>(whole.count()) * unit));
}

}  // namespace

Reconnect::Milliseconds Reconnect::AfterSession(double unit) {
  // A controller that asks for nothing is met as after a first failure.
  return within_ > Milliseconds(0) ? Share(within_, unit) : backoff_.Next(unit);
}

Reconnect::Milliseconds Reconnect::AfterFailure(double unit) {
  return std::max(backoff_.Next(unit), Share(within_, unit));
}

void Reconnect::Welcomed(Milliseconds within) {
  within_ = std::max(within, Milliseconds(0));
  backoff_.Reset();
}

std::chrono::nanoseconds HeartbeatDelay(std::chrono::nanoseconds interval, double unit) {
  return Share(interval, 0.7 + 0.2 * unit);
}

}  // namespace procctl::fleetsim
