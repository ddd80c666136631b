// What this process uses of what must not run out, and how much of it there is. Reads /proc and the
// cgroup file systems, which are memory: nothing here waits for a disk. Empty: not known here.
#pragma once

#include <cstdint>
#include <optional>

namespace procctl::controller {

// Bytes.
std::optional<std::int64_t> ResidentMemory();
std::optional<std::int64_t> MachineMemory();
// The least limit of this process's cgroup and those above it, of version 1 or 2.
std::optional<std::int64_t> CgroupMemoryLimit();

std::optional<std::int64_t> OpenDescriptors();

}  // namespace procctl::controller
