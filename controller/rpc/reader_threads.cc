#include "controller/rpc/reader_threads.h"

#include <utility>

namespace procctl::controller {

ReaderThreads::ReaderThreads(int threads) {
  for (int i = 0; i < threads; ++i) {
    threads_.emplace_back([this] { Loop(); });
  }
}

ReaderThreads::~ReaderThreads() { Stop(); }

bool ReaderThreads::Submit(std::function<void()> work) {
  absl::MutexLock lock(&mutex_);
  if (stopping_ || work_.size() >= kMostWaiting) return false;
  work_.push_back(std::move(work));
  return true;
}

void ReaderThreads::Stop() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  for (std::thread& thread : threads_) {
    if (thread.joinable()) thread.join();
  }
}

void ReaderThreads::Loop() {
  for (;;) {
    std::function<void()> work;
    {
      absl::MutexLock lock(&mutex_);
      mutex_.Await(absl::Condition(this, &ReaderThreads::Ready));
      if (work_.empty()) return;
      work = std::move(work_.front());
      work_.pop_front();
    }
    work();
  }
}

}  // namespace procctl::controller
