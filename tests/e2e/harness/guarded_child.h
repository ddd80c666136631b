// A guarded process that is a fork of the test itself: for names, notes and manners that no sample
// program has.
#pragma once

#include <chrono>
#include <functional>
#include <string>

#include "node/heartbeat/include/procctl/heartbeat.h"
#include "tests/e2e/harness/child.h"
#include "tests/e2e/harness/fleet.h"

namespace procctl::e2e {

// Forks; the child opens a heart under `name` (any bytes) and runs `body`, whose end is its end.
// Returns once the heart is guarded; throws with the guardian's reason if it is not.
Child GuardedChild(const Node& node, const std::string& name, std::chrono::milliseconds timeout,
                   const std::function<void(procctl_heart*)>& body);

// Opens `heart` at that node from the calling process. Returns what procctl_open returns.
int OpenHeart(procctl_heart* heart, const Node& node, const std::string& name,
              std::chrono::milliseconds timeout);

// For `body`: waits for ever without beating, its signals as they are.
void Hang();

}  // namespace procctl::e2e
