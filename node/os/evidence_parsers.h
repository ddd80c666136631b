// Pure parsers of what /proc says of a process beyond its stat line, and of its host. Foreign
// bytes: a malformed text gives nullopt or an empty result, never a guess. Nothing is escaped here.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace procctl::node {

struct MemoryUse {
  int64_t resident = 0;  // bytes
  int64_t swapped = 0;   // bytes
};
// /proc/<pid>/status. Nullopt for whoever has no memory of its own: zombies, kernel threads.
std::optional<MemoryUse> ParseMemoryUse(std::string_view text);

// /proc/<pid>/wchan: the kernel function slept in; empty for "0", which the kernel says of a
// running task and to whoever may not know.
std::string ParseWchan(std::string_view text);

// /proc/<pid>/syscall: "202 0x7f.. (six arguments) SP PC", "running", or "-1 SP PC" of a task
// blocked outside a system call.
struct SyscallReading {
  bool inside = false;
  int64_t number = 0;
  // The stack lies below 4 GiB, so that the number may be one of the 32-bit table: the native table
  // must not name it.
  bool maybe_compat = false;
};
std::optional<SyscallReading> ParseSyscall(std::string_view text);

// /proc/<pid>/stack: names of functions, innermost first, without offsets, addresses and modules.
std::vector<std::string> ParseStack(std::string_view text, size_t most);

// /proc/<pid>/limits: the soft limit of open files, -1 for none.
std::optional<int64_t> ParseFdLimit(std::string_view text);

// /proc/pressure/*: avg10 in percent. A kernel that has no "full" for the CPU leaves it 0.
struct PressureReading {
  double some = 0;
  double full = 0;
};
std::optional<PressureReading> ParsePressure(std::string_view text);

// /proc/loadavg: the first of the three.
std::optional<double> ParseLoad(std::string_view text);

// /proc/meminfo: MemAvailable in bytes.
std::optional<int64_t> ParseMemoryAvailable(std::string_view text);

}  // namespace procctl::node
