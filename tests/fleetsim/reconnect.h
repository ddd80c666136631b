// When a simulated node comes back. Pure: randomness comes in.
//
// A session that was welcomed is followed by a random time up to what the controller asked for
// (Welcome.reconnect_within). A try that failed is followed by a random time up to a bound that
// doubles from half a second to 30 s, and is never below what the last Welcome asked for: a
// controller that is away for a few seconds must not gather those whose turn came meanwhile.
#pragma once

#include <chrono>

#include "proto/support/backoff.h"

namespace procctl::fleetsim {

class Reconnect {
 public:
  using Milliseconds = std::chrono::milliseconds;

  // `unit` is a random number in [0, 1).
  Milliseconds AfterSession(double unit);
  Milliseconds AfterFailure(double unit);

  void Welcomed(Milliseconds within);

 private:
  Backoff backoff_{Milliseconds(500), std::chrono::seconds(30)};
  Milliseconds within_{0};
};

// Any message is to come within `interval`: the next heartbeat is due after 70 to 90 % of it.
std::chrono::nanoseconds HeartbeatDelay(std::chrono::nanoseconds interval, double unit);

}  // namespace procctl::fleetsim
