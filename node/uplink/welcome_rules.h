// Whether a controller's Welcome means anything that this node understands. Whether that controller
// may welcome it is fence.h's. Pure.
#pragma once

#include "absl/status/status.h"
#include "procctl/v1/node_service.pb.h"

namespace procctl::uplink {

// FAILED_PRECONDITION: the controller chose a version that this node does not speak.
// INVALID_ARGUMENT: not a Welcome that means anything.
absl::Status CheckWelcome(const v1::Welcome& welcome);

}  // namespace procctl::uplink
