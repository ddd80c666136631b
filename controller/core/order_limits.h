// How many targets one order may have.
#pragma once

namespace procctl::controller {

struct OrderLimits {
  // Most without an exact count as confirmation.
  int operator_targets = 50;
  int admin_targets = 500;
  // Most at all.
  int operator_at_most = 1000;
  int admin_at_most = 10000;
};

}  // namespace procctl::controller
