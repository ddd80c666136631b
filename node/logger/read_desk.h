// Answers read requests on a thread of its own: a disk that does not answer holds up readers only.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "node/core/mono_time.h"
#include "node/logger/outlet.h"
#include "procctl/v1/detail.pb.h"

namespace procctl::logger {

class ReadDesk {
 public:
  // Waiting or being read.
  static constexpr int kMost = 64;
  static constexpr node::Nanos kMostWait = std::chrono::seconds(3);

  // `answer` is called from the desk's thread, once for each request that was taken.
  using Answer = std::function<void(int64_t request, v1::OutputChunk chunk)>;
  explicit ReadDesk(Answer answer);
  // Waits for a read that waits for a disk.
  ~ReadDesk();
  ReadDesk(const ReadDesk&) = delete;
  ReadDesk& operator=(const ReadDesk&) = delete;

  // Any thread; never waits for a disk. False: there are kMost already.
  bool Ask(int64_t request, v1::ReadOutput read, std::shared_ptr<Outlet> outlet);
  // Some outlet has something new. Any thread; costs next to nothing while nobody waits.
  void Written();
  // Whoever waits gets no answer any more. False if a read still waits for a disk after `patience`.
  bool Stop(node::Nanos patience);

 private:
  struct Waiting {
    int64_t request = 0;
    v1::ReadOutput read;
    std::shared_ptr<Outlet> outlet;
    node::MonoTime deadline;
    bool looked = false;
    // Of the outlet, before it was looked at last.
    uint64_t version = 0;
  };

  void Run();
  // Those that are new are added to `all`. False: it is to stop.
  bool Await(std::vector<Waiting>* all);
  // True if it is answered.
  bool Serve(Waiting* waiting, node::MonoTime now);

  const Answer answer_;
  // Those in new_ and those in Run; kept apart, because it is read without the lock.
  std::atomic<int> count_{0};
  absl::Mutex mutex_;
  absl::CondVar changed_;
  bool stop_ ABSL_GUARDED_BY(mutex_) = false;
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
  bool written_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<Waiting> new_ ABSL_GUARDED_BY(mutex_);
  std::thread thread_;
};

}  // namespace procctl::logger
