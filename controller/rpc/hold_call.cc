#include "controller/rpc/hold_call.h"

#include <utility>

#include "controller/rpc/fleet_messages.h"

namespace procctl::controller {

std::shared_ptr<HoldCall> HoldCall::Make(v1::HoldSlotsResponse* response) {
  std::shared_ptr<HoldCall> call(new HoldCall(response));
  Keep(call);
  return call;
}

void HoldCall::Finished(const std::vector<HoldOutcome>& outcomes) {
  v1::HoldSlotsResponse response;
  for (const HoldOutcome& outcome : outcomes) ToMessage(outcome, response.add_outcomes());
  Succeed(std::move(response));
}

void HoldCall::Drain() {
  Fail(
      absl::UnavailableError("the controller is going down; the orders stand, repeat with the same "
                             "request id to see their outcomes"));
}

}  // namespace procctl::controller
