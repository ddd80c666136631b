#include "node/guardian/usage_desk.h"

#include <sys/epoll.h>

#include <string>
#include <thread>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "node/os/clock.h"
#include "spdlog/spdlog.h"

namespace procctl::node {

static_assert(UsageDesk::kApart > UsageReader::kLeastInterval);

// Between the loop and one reader.
struct UsageDesk::Progress {
  void Add(int64_t generation, v1::Usage usage) {
    const absl::MutexLock lock(&mutex);
    v1::UsageAnswer::Row* row = answer.add_rows();
    row->set_generation(generation);
    *row->mutable_usage() = std::move(usage);
  }
  v1::UsageAnswer Take() {
    const absl::MutexLock lock(&mutex);
    return std::exchange(answer, {});
  }

  absl::Mutex mutex;
  v1::UsageAnswer answer ABSL_GUARDED_BY(mutex);
};

UsageDesk::UsageDesk(Poller* poller, Look look)
    : poller_(poller),
      look_(std::move(look)),
      work_({.at_once = 1, .threads = kMostThreads, .queued = kMostWaiting}) {
  const auto token = poller_->Add(work_.event_fd(), EPOLLIN, [this](uint32_t) { work_.Take(); });
  if (token.ok()) {
    token_ = *token;
  } else {
    spdlog::warn("usage is told once a scan, not as it is read: {}",
                 std::string(token.status().message()));
  }
}

UsageDesk::~UsageDesk() { poller_->Remove(token_); }

std::optional<v1::Usage> UsageDesk::LookNow(UsageReader* reader, const ProcessIdentity& process) {
  return reader->Read(process, MonoNow());
}

bool UsageDesk::Ask(const std::vector<Subject>& subjects, MonoTime now, Ready ready) {
  std::vector<Studied> studied;
  studied.reserve(subjects.size());
  for (const Subject& subject : subjects) {
    const auto known = known_.find(subject.process);
    const bool recent = known != known_.end() && now - known->second.read_at() <= kRecent;
    studied.push_back({subject, recent ? known->second : UsageReader()});
  }
  const uint64_t number = next_++;
  auto progress = std::make_shared<Progress>();
  const auto ticket =
      work_.Start([this, number, progress, look = look_, deadline = now + kAnswerWithin,
                   studied = std::move(studied)]() mutable -> DetachedWork::Finish {
        Study(look, deadline, &studied, progress.get());
        // `this` is used on the loop only, and only while nobody has given up.
        return [this, number, studied = std::move(studied)] {
          Keep(studied, MonoNow());
          Answer(open_.find(number));
        };
      });
  if (ticket == 0) return false;
  open_.emplace(number, Open{now, std::move(ready), ticket, std::move(progress)});
  return true;
}

void UsageDesk::Study(const Look& look, MonoTime deadline, std::vector<Studied>* subjects,
                      Progress* progress) {
  std::vector<Studied*> again;
  const auto study = [&](Studied* one, bool may_look_again) {
    auto usage = look(&one->reader, one->subject.process);
    if (!usage) return;
    if (one->reader.knows_cpu()) {
      progress->Add(one->subject.generation, *std::move(usage));
    } else if (may_look_again) {
      again.push_back(one);
    }
  };
  for (Studied& one : *subjects) {
    if (MonoNow() > deadline) return;
    study(&one, true);
  }
  if (again.empty()) return;
  // Time itself is what is waited for, on a thread that has nothing else to do.
  std::this_thread::sleep_for(kApart);
  for (Studied* one : again) {
    if (MonoNow() > deadline) return;
    study(one, false);
  }
}

void UsageDesk::Keep(const std::vector<Studied>& subjects, MonoTime now) {
  std::erase_if(known_,
                [now](const auto& entry) { return now - entry.second.read_at() > kRecent; });
  for (const Studied& one : subjects) {
    // Epoch of the clock: it was never read.
    if (one.reader.read_at() != MonoTime()) known_[one.subject.process] = one.reader;
  }
}

void UsageDesk::Expire(MonoTime now) {
  // First, so that nobody is cut off for the slowness of the loop.
  work_.Take();
  std::vector<uint64_t> due;
  for (const auto& [number, open] : open_) {
    if (now - open.asked > kAnswerWithin) due.push_back(number);
  }
  // The last first, which wait for a thread: one given up makes room for the next, and that must be
  // somebody who is not due.
  for (auto number = due.rbegin(); number != due.rend(); ++number)
    work_.GiveUp(open_.at(*number).ticket);
  for (const uint64_t number : due) Answer(open_.find(number));
}

void UsageDesk::Answer(std::map<uint64_t, Open>::iterator open) {
  // Forgotten before `ready` runs: it may ask again.
  const Open done = std::move(open->second);
  open_.erase(open);
  done.ready(done.progress->Take());
}

}  // namespace procctl::node
