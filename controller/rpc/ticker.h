// Calls one function again and again on a thread of its own.
#pragma once

#include <chrono>
#include <functional>
#include <thread>

#include "absl/synchronization/mutex.h"

namespace procctl::controller {

class Ticker {
 public:
  // Between the end of one call and the beginning of the next is `every`.
  Ticker(std::chrono::milliseconds every, std::function<void()> tick);
  ~Ticker();
  // Returns when the last tick has ended; idempotent.
  void Stop();

 private:
  void Loop();

  const std::chrono::milliseconds every_;
  const std::function<void()> tick_;
  absl::Mutex mutex_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace procctl::controller
