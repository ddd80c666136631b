// What a stopped program leaves behind.
#pragma once

#include <chrono>

namespace procctl::run {

struct LeftoverLimits {
  std::chrono::milliseconds after_term{2000};
  std::chrono::milliseconds after_kill{1000};
};

// Ends every descendant of this process: SIGTERM (and SIGCONT), then SIGKILL to those still there,
// and reaps the ones that become its children. Signals go by pidfd to processes that are proved to
// descend from this one. Waits no longer than the two limits together; what is still there then (a
// process in uninterruptible sleep, say) stays. True if none is left.
//
// `child_signals` is a signalfd that reads SIGCHLD; what else it reads is dropped. This process
// must be a child subreaper.
bool EndDescendants(int child_signals, const LeftoverLimits& limits = {});

}  // namespace procctl::run
