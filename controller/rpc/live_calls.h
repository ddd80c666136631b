// Calls that stay open while others work for them: a controller that goes down ends them itself,
// for a server waits for every call. Thread-safe.
#pragma once

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "absl/synchronization/mutex.h"

namespace procctl::controller {

class LiveCall {
 public:
  virtual ~LiveCall() = default;
  // Ends the call: the controller is going down. Any thread; harmless when it has ended.
  virtual void Drain() = 0;
};

class LiveCalls {
 public:
  // Calls that have ended are forgotten.
  void Add(const std::shared_ptr<LiveCall>& call) {
    bool drained = false;
    {
      absl::MutexLock lock(&mutex_);
      drained = drained_;
      if (calls_.size() >= next_sweep_) {
        calls_.erase(std::remove_if(calls_.begin(), calls_.end(),
                                    [](const auto& weak) { return weak.expired(); }),
                     calls_.end());
        next_sweep_ = 2 * calls_.size() + 16;
      }
      if (!drained) calls_.push_back(call);
    }
    if (drained) call->Drain();
  }

  // Ends all, and at once those that are added later.
  void Drain() {
    std::vector<std::weak_ptr<LiveCall>> calls;
    {
      absl::MutexLock lock(&mutex_);
      drained_ = true;
      calls.swap(calls_);
    }
    for (const std::weak_ptr<LiveCall>& weak : calls) {
      if (const auto call = weak.lock()) call->Drain();
    }
  }

 private:
  absl::Mutex mutex_;
  bool drained_ ABSL_GUARDED_BY(mutex_) = false;
  size_t next_sweep_ ABSL_GUARDED_BY(mutex_) = 16;
  std::vector<std::weak_ptr<LiveCall>> calls_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace procctl::controller
