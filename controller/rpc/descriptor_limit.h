// How many file descriptors this process may have.
#pragma once

#include "absl/status/statusor.h"

namespace procctl::controller {

// Raises the soft limit to the hard one, or sets it to what `max_connections` needs if that is less
// (0: no such wish). Returns the limit in force.
absl::StatusOr<int> ApplyDescriptorLimit(int max_connections);

}  // namespace procctl::controller
