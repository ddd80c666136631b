// What the accept loop does with each answer of accept4(2). gRPC's own loop stops for ever at the
// first EMFILE; this one never does. Pure.
#pragma once

#include <chrono>

namespace procctl::controller {

enum class AcceptAction {
  kHandOver,    // a connection for gRPC
  kShed,        // accepted, but descriptors are short: close it, so that the peer knows at once
  kUseReserve,  // no descriptor left at all: give up the reserve, accept, close, take the reserve
                // again
  kRetry,       // this connection is gone; the next may be fine
  kWait,        // nothing waits
  kBackOff,     // the kernel is short of something: try again after a pause
  kBroken,      // the listening socket itself is unusable
};

// accept4 answered `error` (0: it gave `fd`). It gives the lowest free descriptor, so one at or
// above `ceiling` means that fewer than limit - ceiling are left for files, databases and shedding.
AcceptAction JudgeAccept(int error, int fd, int ceiling);

// The pause of the n-th kBackOff in a row, from 0: 10 ms, doubled up to 1 s.
std::chrono::milliseconds AcceptPause(int consecutive);

// Descriptors kept out of connections' reach: 32, or a quarter of a very small limit.
int AcceptCeiling(int descriptor_limit);

}  // namespace procctl::controller
