// A kill before it begins: who, in which order, what will become of each, and a hash over all that
// will be done. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "controller/core/fleet_view.h"
#include "controller/core/order_limits.h"
#include "controller/core/order_request.h"
#include "procctl/v1/fleet_service.pb.h"

namespace procctl::controller {

// A row that was chosen, as it is now.
struct ChosenSlot {
  OrderTarget target;
  v1::SlotState state = v1::SLOT_STATE_UNSPECIFIED;
};

// One row of the view. `view` says whether it is a program, which its node starts again.
ChosenSlot Choose(const FleetView& view, const NodeRow& node, const SlotRow& slot);
// One that was named by its caller, perhaps long ago: its row may be gone, its node too.
ChosenSlot Choose(const FleetView& view, const v1::KillTarget& named);

// Sorts by node and label, takes each process once (several hearts of one are one target), goes
// round the nodes so that no batch takes all of one host, and numbers the batches.
std::vector<ChosenSlot> Arrange(std::vector<ChosenSlot> chosen, const Pace& pace);

// How many batches that makes; at least 1.
int BatchesOf(size_t targets, const Pace& pace);

// Bounds of whoever gives the order.
struct RoleLimits {
  int unconfirmed = 0;
  int at_most = 0;
};
RoleLimits LimitsOf(bool admin, const OrderLimits& limits);

// Why the exact number has to be confirmed; empty if it has not. `everybody`: the filter names, or
// just happens to match, all there is.
std::string ConfirmBecause(size_t targets, const RoleLimits& limits, bool everybody,
                           std::string_view filter);

// SHA-256 in hex over everything that `request` does: who asks, whom in which order and batch, the
// pace, grace and reason. Its id is not among it.
std::string PlanHash(const OrderRequest& request);

}  // namespace procctl::controller
