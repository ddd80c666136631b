// A few threads for what blocks on the disk, so that gRPC's callback threads never do.
#pragma once

#include <deque>
#include <functional>
#include <thread>
#include <vector>

#include "absl/synchronization/mutex.h"

namespace procctl::controller {

class ReaderThreads {
 public:
  explicit ReaderThreads(int threads);
  ~ReaderThreads();

  // False, and `work` is not run, if kMostWaiting wait already or Stop was called.
  static constexpr size_t kMostWaiting = 64;
  bool Submit(std::function<void()> work);

  // Runs what waits, then ends the threads; idempotent.
  void Stop();

 private:
  void Loop();
  bool Ready() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return stopping_ || !work_.empty(); }

  absl::Mutex mutex_;
  std::deque<std::function<void()>> work_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<std::thread> threads_;
};

}  // namespace procctl::controller
