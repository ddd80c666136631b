#include "node/guardian/detached_work.h"

#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <deque>
#include <set>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "node/os/unique_fd.h"

namespace procctl::node {
namespace {

// Enough for reading files; the default of 8 MiB each would count where memory is locked.
constexpr size_t kStackBytes = 512 * 1024;

// Starts `run(argument)` on a detached thread that no signal ever interrupts: signals are for the
// loop's thread. False if the kernel has no thread to give.
bool StartThread(void* (*run)(void*), void* argument) {
  pthread_attr_t attributes;
  if (pthread_attr_init(&attributes) != 0) return false;
  (void)pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);  // valid constants
  (void)pthread_attr_setstacksize(&attributes, kStackBytes);
  // Inherited, so that there is no moment in which the new thread takes signals.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  (void)pthread_sigmask(SIG_SETMASK, &all, &before);
  pthread_t thread;
  const bool started = pthread_create(&thread, &attributes, run, argument) == 0;
  (void)pthread_sigmask(SIG_SETMASK, &before, nullptr);
  (void)pthread_attr_destroy(&attributes);
  return started;
}

}  // namespace

struct DetachedWork::Shared {
  struct Waiting {
    Ticket ticket = 0;
    Job job;
  };
  struct Done {
    Ticket ticket = 0;
    Finish finish;
  };

  explicit Shared(Limits most) : limits(most), event_fd(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

  // Begins one more thread where a job waits for which none is on its way. False if the kernel
  // refused one.
  static bool Grow(const std::shared_ptr<Shared>& shared) {
    {
      const absl::MutexLock lock(&shared->mutex);
      const int on_the_way = shared->threads - shared->busy;
      const int at_work = static_cast<int>(shared->at_work.size());
      if (static_cast<int>(shared->waiting.size()) <= on_the_way ||
          at_work + on_the_way >= shared->limits.at_once ||
          shared->threads == shared->limits.threads) {
        return true;
      }
      ++shared->threads;
    }
    auto own = std::make_unique<std::shared_ptr<Shared>>(shared);
    if (StartThread(&Shared::Run, own.get())) {
      (void)own.release();  // the thread's now
      return true;
    }
    const absl::MutexLock lock(&shared->mutex);
    --shared->threads;
    return false;
  }

  static void* Run(void* argument) {
    const std::unique_ptr<std::shared_ptr<Shared>> own(
        static_cast<std::shared_ptr<Shared>*>(argument));
    Shared& shared = **own;
    for (;;) {
      Waiting next;
      {
        const absl::MutexLock lock(&shared.mutex);
        if (!shared.MayRunMore()) {
          --shared.threads;
          return nullptr;
        }
        next = std::move(shared.waiting.front());
        shared.waiting.pop_front();
        shared.at_work.insert(next.ticket);
        ++shared.busy;
      }
      Finish finish = next.job();
      next.job = nullptr;
      const absl::MutexLock lock(&shared.mutex);
      --shared.busy;
      if (shared.at_work.erase(next.ticket) == 0) continue;  // given up meanwhile
      shared.done.push_back({next.ticket, std::move(finish)});
      const uint64_t one = 1;
      (void)!write(shared.event_fd.get(), &one, sizeof one);  // full only when readable anyway
    }
  }

  // Jobs that could be at work without waiting for another to end.
  size_t FreeNow() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) {
    return static_cast<size_t>(
        std::min(limits.at_once - static_cast<int>(at_work.size()), limits.threads - busy));
  }

  bool MayRunMore() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) {
    return !waiting.empty() && static_cast<int>(at_work.size()) < limits.at_once;
  }

  const Limits limits;
  const UniqueFd event_fd;
  absl::Mutex mutex;
  // Threads that run, and those of them that are inside a job; the others are on their way to one.
  int threads ABSL_GUARDED_BY(mutex) = 0;
  int busy ABSL_GUARDED_BY(mutex) = 0;
  std::deque<Waiting> waiting ABSL_GUARDED_BY(mutex);
  // Inside a job and not given up.
  std::set<Ticket> at_work ABSL_GUARDED_BY(mutex);
  std::deque<Done> done ABSL_GUARDED_BY(mutex);
};

DetachedWork::DetachedWork(Limits limits) : shared_(std::make_shared<Shared>(limits)) {}

DetachedWork::~DetachedWork() {
  std::deque<Shared::Waiting> waiting;  // destroyed after the lock is released
  const absl::MutexLock lock(&shared_->mutex);
  waiting.swap(shared_->waiting);
  shared_->at_work.clear();
}

DetachedWork::Ticket DetachedWork::Start(Job job) {
  const Ticket ticket = next_++;
  {
    const absl::MutexLock lock(&shared_->mutex);
    if (shared_->waiting.size() >= shared_->FreeNow() + shared_->limits.queued) return 0;
    shared_->waiting.push_back({ticket, std::move(job)});
  }
  if (Shared::Grow(shared_)) return ticket;
  // Whoever is at work comes round to it; without anybody it might wait for ever.
  Shared::Waiting refused;
  const absl::MutexLock lock(&shared_->mutex);
  if (!shared_->at_work.empty() || shared_->waiting.empty() ||
      shared_->waiting.back().ticket != ticket) {
    return ticket;
  }
  refused = std::move(shared_->waiting.back());
  shared_->waiting.pop_back();
  return 0;
}

void DetachedWork::GiveUp(Ticket ticket) {
  Shared::Waiting waiting;
  Shared::Done done;
  {
    const absl::MutexLock lock(&shared_->mutex);
    const auto is_it = [ticket](const auto& entry) { return entry.ticket == ticket; };
    if (const auto it = std::ranges::find_if(shared_->waiting, is_it);
        it != shared_->waiting.end()) {
      waiting = std::move(*it);
      shared_->waiting.erase(it);
    }
    if (const auto it = std::ranges::find_if(shared_->done, is_it); it != shared_->done.end()) {
      done = std::move(*it);
      shared_->done.erase(it);
    }
    shared_->at_work.erase(ticket);
  }
  (void)Shared::Grow(shared_);  // without a thread the next job waits for one that comes back
}

int DetachedWork::event_fd() const { return shared_->event_fd.get(); }

void DetachedWork::Take() {
  uint64_t count = 0;
  (void)!read(shared_->event_fd.get(), &count, sizeof count);  // empty is fine
  size_t most = 0;
  {
    const absl::MutexLock lock(&shared_->mutex);
    most = shared_->done.size();
  }
  // One by one, as a Finish may give up another; no more than there were, or a Finish that starts
  // the next job could keep the loop here.
  for (; most > 0; --most) {
    Shared::Done next;
    {
      const absl::MutexLock lock(&shared_->mutex);
      if (shared_->done.empty()) return;
      next = std::move(shared_->done.front());
      shared_->done.pop_front();
    }
    if (next.finish) next.finish();
  }
}

}  // namespace procctl::node
