// What one process uses.
#pragma once

#include <cstdint>
#include <optional>

#include "node/core/mono_time.h"
#include "node/core/process_identity.h"
#include "procctl/v1/detail.pb.h"

namespace procctl::node {

// One for each process: processor time is told since its last read.
class UsageReader {
 public:
  // Nullopt if that process has ended, whoever has its pid now. The first read of a process has no
  // cpu_percent, and one that comes within kLeastInterval of the last repeats it: the kernel counts
  // in ticks of 10 ms. Descriptors that we may not count are 0.
  std::optional<v1::Usage> Read(const ProcessIdentity& process, MonoTime now);

  // The last read told cpu_percent, be it 0: there was one before it.
  bool knows_cpu() const { return knows_cpu_; }
  // When processor time was last looked at.
  MonoTime read_at() const { return read_at_; }

  static constexpr Nanos kLeastInterval = std::chrono::milliseconds(200);

 private:
  ProcessIdentity process_;
  MonoTime read_at_;
  uint64_t ticks_ = 0;
  int32_t cpu_percent_ = 0;
  bool knows_cpu_ = false;
};

// Bytes resident. Nullopt as for UsageReader::Read.
std::optional<int64_t> ReadResident(const ProcessIdentity& process);

}  // namespace procctl::node
