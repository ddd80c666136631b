// The FIFO that a program writes its output into and the logger takes it from.
#pragma once

#include <string>

#include "absl/status/status.h"

namespace procctl::node {

// Makes it, mode 0600, unless it is there already: a guardian that takes up programs finds theirs.
// FAILED_PRECONDITION: something else is in its place, or it is another user's. Does not open it.
absl::Status MakeOutputFifo(const std::string& path);

}  // namespace procctl::node
