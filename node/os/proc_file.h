// /proc/<pid>/... read and parsed. Only files whose reading cannot wait for the process itself:
// nothing here takes its memory lock (no cmdline, no maps), so a target in uninterruptible sleep
// holds up nobody.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace procctl::node {

struct ProcStat {
  std::string comm;  // raw bytes, up to 15
  char state = '?';
  int32_t parent = 0;
  int32_t group = 0;
  int32_t session = 0;
  // CPU time spent in user and in kernel mode.
  uint64_t user_ticks = 0;
  uint64_t system_ticks = 0;
  int32_t threads = 0;
  int64_t start_ticks = 0;
  bool kernel_thread = false;
};

// A main thread may end before its process does: then it waits as a zombie for the others.
bool HasEnded(const ProcStat& stat);

struct ProcStatus {
  int64_t uid = -1;  // effective
  int32_t tracer = 0;
};

// Pure parsers of foreign bytes: the name may hold blanks, parentheses and newlines.
std::optional<ProcStat> ParseStat(std::string_view text);
std::optional<ProcStatus> ParseStatus(std::string_view text);
// Path of the v2 hierarchy ("0::/a/b" -> "/a/b"); empty if there is none.
std::string ParseCgroupV2Path(std::string_view text);

// Nullopt if there is no such process (or /proc does not show it).
std::optional<ProcStat> ReadStat(int32_t pid);
// For whoever must not take "cannot be told now" for "is gone": NOT_FOUND there is no such process;
// anything else it could not be read, as without descriptors.
absl::StatusOr<ProcStat> TryReadStat(int32_t pid);
std::optional<ProcStatus> ReadStatus(int32_t pid);
// True if the process's v2 cgroup, or one above it, is frozen. False where that cannot be told.
bool IsFrozen(int32_t pid);
// The same for a path as ParseCgroupV2Path gives it.
bool IsCgroupFrozen(const std::string& path);

// Everybody /proc shows; whoever begins or ends meanwhile may be in it or not.
std::vector<int32_t> AllProcesses();
// The same; anything but OK: the list could not be had, as without descriptors.
absl::StatusOr<std::vector<int32_t>> TryAllProcesses();
// Our own children, zombies among them, whichever of our threads they belong to.
std::vector<int32_t> OwnChildren();

// This process and all its ancestors up to init.
std::set<int32_t> OwnLine();

// Up to `most` bytes of a small kernel file; the status is that of open() or read(), its message
// the kernel's words.
absl::StatusOr<std::string> ReadKernelFile(const std::string& path, size_t most = 16384);
// The same for whoever does not ask why not.
std::optional<std::string> ReadSmallFile(const std::string& path, size_t most = 16384);

}  // namespace procctl::node
