// A controller that watches itself: memory, descriptors, whether it still accepts, whether gRPC's
// threads still answer. Each begins and ends as one event (CONTROLLER_ALARM) and one line of the
// log; what follows for callers is in Admission and ready().
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <string>

#include "controller/core/memory_fuse.h"
#include "controller/core/mono_time.h"
#include "controller/rpc/admission.h"
#include "controller/store/commit_log.h"

namespace procctl::controller {

class SelfWatch {
 public:
  struct Limits {
    std::int64_t memory = 0;       // bytes, > 0
    std::int64_t descriptors = 0;  // RLIMIT_NOFILE
    // A call to ourselves that is not answered for so long.
    std::chrono::nanoseconds answer = std::chrono::seconds(5);
  };
  // Asked on the ticker's thread; none may block.
  struct Sources {
    std::function<std::optional<std::int64_t>()> resident;
    std::function<std::optional<std::int64_t>()> descriptors;
    std::function<bool()> deaf;
    std::function<std::chrono::nanoseconds()> unanswered;
    // False: what is recorded cannot be kept just now. The store tells of it itself.
    std::function<bool()> disk_works;
  };
  SelfWatch(const Limits& limits, Sources sources, CommitLog* log, Admission* admission)
      : limits_(limits),
        sources_(std::move(sources)),
        log_(log),
        admission_(admission),
        memory_(limits.memory),
        descriptors_(DescriptorAlarm(limits.descriptors)) {}

  // The ticker's thread.
  void Tick(MonoTime now);

  // Calls can be served as they should be. Any thread.
  bool ready() const { return ready_.load(std::memory_order_relaxed); }

 private:
  // Descriptors are counted by the kernel or one by one: not at every tick.
  static constexpr std::chrono::seconds kCountEvery{5};

  void JudgeMemory();
  void JudgeDescriptors();
  void Judge(bool is_wrong, bool* was_wrong, const std::string& text, const std::string& over);
  void Announce(bool alarm, const std::string& message);

  const Limits limits_;
  const Sources sources_;
  CommitLog* const log_;
  Admission* const admission_;
  std::atomic<bool> ready_{true};
  // The ticker's thread only.
  Fuse memory_;
  Fuse descriptors_;
  MonoTime counted_;
  bool deaf_ = false;
  bool stuck_ = false;
};

}  // namespace procctl::controller
