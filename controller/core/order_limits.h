// How many targets one order to stop may have, by the role of who gives it
// (ControllerConfig.limits).
#pragma once

namespace procctl::controller {

struct OrderLimits {
  // Above it the exact number must be confirmed.
  int operator_targets = 50;
  int admin_targets = 500;
  // Above it the order is not taken at all.
  int operator_at_most = 1000;
  int admin_at_most = 10'000;
};

}  // namespace procctl::controller
