// Whether what an order has stopped is back. Pure.
#pragma once

#include <string>

#include "controller/core/fleet_view.h"
#include "procctl/v1/slot.pb.h"

namespace procctl::controller {

// A stopped program whose node is to start it again.
struct AwaitedTarget {
  std::string request_id;
  size_t target = 0;
  std::string node;
  std::string label;
  v1::Incarnation incarnation;  // the life that was stopped
};

// Its slot beats in another life, as far as a node that can be heard says; or its node says that it
// will not start it again (stopped, done, or at its next schedule), so that nobody need wait.
bool IsBack(const FleetView& view, const AwaitedTarget& awaited);

}  // namespace procctl::controller
