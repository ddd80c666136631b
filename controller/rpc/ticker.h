// Calls one function every 250 ms on a thread of its own: liveness, heartbeats, overdue orders,
// keeping gRPC awake. Far from the one second around which gRPC's threads nap.
#pragma once

#include <functional>
#include <thread>

#include "absl/synchronization/mutex.h"

namespace procctl::controller {

class Ticker {
 public:
  explicit Ticker(std::function<void()> tick);
  ~Ticker();
  // Returns when the last tick has ended; idempotent.
  void Stop();

 private:
  void Loop();

  const std::function<void()> tick_;
  absl::Mutex mutex_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace procctl::controller
