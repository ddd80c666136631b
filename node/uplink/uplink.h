// The uplink's main loop: carries packets between the guardian and the relay, and watches the
// session. One thread; it never waits for disk, network or guardian.
#pragma once

#include "proto/support/unique_fd.h"

namespace procctl::uplink {

// Runs until the guardian closes the link or `stop_fd` (a signalfd) becomes readable. Returns the
// exit code: 0 in good order, 1 if the guardian's hello cannot be used. Does not return if a thread
// is stuck in the disk at the end: it leaves the process (0) then.
int RunUplink(UniqueFd link, UniqueFd stop_fd);

}  // namespace procctl::uplink
