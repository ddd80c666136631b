// One TCP connection within a deadline, with errors for people.
#pragma once

#include <chrono>
#include <string>

#include "absl/status/statusor.h"
#include "proto/support/unique_fd.h"

namespace procctl {

// Monotonic: a wall clock that jumps must not end a wait.
using Deadline = std::chrono::steady_clock::time_point;

// Resolves `host` and tries its addresses in turn. The descriptor is nonblocking and close-on-exec.
// UNAVAILABLE says which step failed. The resolver keeps its own time limits, not `deadline`.
absl::StatusOr<UniqueFd> ConnectTcp(const std::string& host, const std::string& port,
                                    Deadline deadline);

// Waits until `fd` can be read (or written). False when the deadline passes first.
bool WaitFor(int fd, bool writing, Deadline deadline);

}  // namespace procctl
