// One call of KillSlots with an id of the test's choice, from a process of its own: procctl-cli
// chooses its ids itself, and the test may live on another side of the wire than the controller.
#pragma once

#include <string>

#include "procctl/v1/fleet_service.pb.h"
#include "tests/e2e/harness/child.h"
#include "tests/e2e/harness/fleet.h"

namespace procctl::e2e {

class KillCall {
 public:
  // `request` has one target. Calls as the operator. `network` as the fleet's, or null.
  KillCall(const Fleet& fleet, const SplitNetwork* network, const v1::KillSlotsRequest& request);
  ~KillCall();

  struct Answer {
    bool repeated = false;
    v1::TargetProgress last;  // done, unless the call failed before
  };
  // Throws if the call has not ended well within `limit`.
  Answer Await(std::chrono::milliseconds limit);

 private:
  std::string file_;
  Child child_;
};

}  // namespace procctl::e2e
