// Whether a controller's Welcome may be used. Pure.
#pragma once

#include <cstdint>

#include "absl/status/status.h"
#include "procctl/v1/node_service.pb.h"

namespace procctl::uplink {

// FAILED_PRECONDITION: the controller is behind one that welcomed this node before (it was restored
// from a backup, or cut off while another took over), or it chose a version that this node does not
// speak. INVALID_ARGUMENT: not a Welcome that means anything.
absl::Status CheckWelcome(const v1::Welcome& welcome, std::int64_t max_session_epoch);

}  // namespace procctl::uplink
