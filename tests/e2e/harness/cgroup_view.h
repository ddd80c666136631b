// What a guardian sees of cgroup v2: hosts without it, made out of a host with it. For
// Launch::prepare, which runs in the new process: only that one and its children are blind.
#pragma once

#include <functional>

namespace procctl::e2e {

// In a mount namespace of its own no v2 hierarchy is mounted (needs root).
bool HideCgroupV2();

// There it is mounted, and nobody may write to it, as in most containers (needs root).
bool MakeCgroupV2ReadOnly();

}  // namespace procctl::e2e
