#include "node/logger/read_desk.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "absl/time/time.h"
#include "node/logger/output_reader.h"
#include "node/os/clock.h"
#include "proto/support/time_convert.h"

namespace procctl::logger {

using node::MonoNow;
using node::MonoTime;
using node::Nanos;

ReadDesk::ReadDesk(Answer answer) : answer_(std::move(answer)), thread_([this] { Run(); }) {}

ReadDesk::~ReadDesk() {
  (void)Stop(Nanos(0));
  thread_.join();
}

bool ReadDesk::Ask(int64_t request, v1::ReadOutput read, std::shared_ptr<Outlet> outlet) {
  const absl::MutexLock lock(&mutex_);
  if (count_ >= kMost) return false;
  ++count_;
  const Nanos wait = std::clamp<Nanos>(FromProto(read.wait()), Nanos(0), kMostWait);
  new_.push_back({request, std::move(read), std::move(outlet), MonoNow() + wait});
  changed_.SignalAll();
  return true;
}

void ReadDesk::Written() {
  if (count_ == 0) return;
  const absl::MutexLock lock(&mutex_);
  written_ = true;
  changed_.SignalAll();
}

bool ReadDesk::Serve(Waiting* waiting, MonoTime now) {
  const bool over = now >= waiting->deadline;
  // Before the files are looked at: what is written from here on is looked at again.
  const uint64_t version = waiting->outlet->version();
  if (waiting->looked && !over && version == waiting->version) return false;
  waiting->looked = true;
  waiting->version = version;
  v1::OutputChunk chunk = ReadOutlet(*waiting->outlet, waiting->read);
  if (chunk.data().empty() && chunk.error().empty() && !chunk.lost() && !over) {
    // "The end" is where the end was when the question was asked.
    waiting->read.set_cursor(chunk.cursor());
    return false;
  }
  // Before the answer: whoever gets it may ask again at once, and there is room for that.
  --count_;
  answer_(waiting->request, std::move(chunk));
  return true;
}

bool ReadDesk::Stop(Nanos patience) {
  const MonoTime deadline = MonoNow() + patience;
  const absl::MutexLock lock(&mutex_);
  stop_ = true;
  changed_.SignalAll();
  while (!stopped_) {
    const Nanos left = deadline - MonoNow();
    if (left <= Nanos(0)) return false;
    changed_.WaitWithTimeout(&mutex_, absl::FromChrono(left));
  }
  return true;
}

bool ReadDesk::Await(std::vector<Waiting>* all) {
  const absl::MutexLock lock(&mutex_);
  while (!stop_ && new_.empty() && !written_) {
    if (all->empty()) {
      changed_.Wait(&mutex_);
      continue;
    }
    const auto first = std::min_element(
        all->begin(), all->end(),
        [](const Waiting& a, const Waiting& b) { return a.deadline < b.deadline; });
    const Nanos left = first->deadline - MonoNow();
    if (left <= Nanos(0)) break;
    changed_.WaitWithTimeout(&mutex_, absl::FromChrono(left));
  }
  written_ = false;
  std::move(new_.begin(), new_.end(), std::back_inserter(*all));
  new_.clear();
  return !stop_;
}

void ReadDesk::Run() {
  std::vector<Waiting> all;
  while (Await(&all)) {
    const MonoTime now = MonoNow();
    const auto answered = std::remove_if(all.begin(), all.end(),
                                         [&](Waiting& waiting) { return Serve(&waiting, now); });
    all.erase(answered, all.end());
  }
  const absl::MutexLock lock(&mutex_);
  stopped_ = true;
  changed_.SignalAll();
}

}  // namespace procctl::logger
