// What one process uses.
#pragma once

#include <cstdint>

#include "node/core/mono_time.h"
#include "node/core/process_identity.h"
#include "procctl/v1/program.pb.h"

namespace procctl::node {

// One for each process: processor time is told since its last read.
class UsageReader {
 public:
  // Empty if there is no such process. The first read of a process has no cpu_percent, and one that
  // comes within kLeastInterval of the last repeats it: the kernel counts in ticks of 10 ms.
  // Descriptors that we may not count are 0.
  v1::Usage Read(int32_t pid, MonoTime now);

  static constexpr Nanos kLeastInterval = std::chrono::milliseconds(200);

 private:
  ProcessIdentity process_;
  MonoTime read_at_;
  uint64_t ticks_ = 0;
  int32_t cpu_percent_ = 0;
};

}  // namespace procctl::node
