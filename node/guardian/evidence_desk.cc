#include "node/guardian/evidence_desk.h"

#include <sys/epoll.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "node/os/clock.h"
#include "node/os/evidence_bound.h"
#include "node/os/proc_file.h"
#include "proto/support/time_convert.h"
#include "spdlog/fmt/fmt.h"
#include "spdlog/spdlog.h"

namespace procctl::node {
namespace {

constexpr char kBusy[] = "process: not read, all readers were busy";

v1::Evidence Only(const char* missing) {
  v1::Evidence evidence;
  evidence.add_missing(missing);
  return evidence;
}

}  // namespace

// Between the loop and one reader.
struct EvidenceDesk::Progress {
  absl::Mutex mutex;
  bool begun ABSL_GUARDED_BY(mutex) = false;
  v1::Evidence so_far ABSL_GUARDED_BY(mutex);
};

EvidenceDesk::EvidenceDesk(Poller* poller, Ready ready, Reader reader)
    : poller_(poller),
      ready_(std::move(ready)),
      reader_(std::move(reader)),
      work_({.at_once = kReadersAtOnce, .threads = kMostThreads, .queued = kMostWaiting}) {
  const auto token = poller_->Add(work_.event_fd(), EPOLLIN, [this](uint32_t) { work_.Take(); });
  if (token.ok()) {
    token_ = *token;
  } else {
    spdlog::warn("evidence is taken once a scan, not as it arrives: {}",
                 std::string(token.status().message()));
  }
}

EvidenceDesk::~EvidenceDesk() { poller_->Remove(token_); }

void EvidenceDesk::Ask(int64_t kill, const ProcessIdentity& process, v1::Evidence base,
                       MonoTime now) {
  const uint64_t number = next_++;
  auto progress = std::make_shared<Progress>();
  const MonoTime deadline = now + kReadFor;
  const auto ticket = work_.Start([this, number, process, deadline, progress,
                                   reader = reader_]() -> DetachedWork::Finish {
    v1::Evidence read;
    if (MonoNow() > deadline) {
      read = Only(kBusy);
      read.set_timed_out(true);
    } else {
      {
        const absl::MutexLock lock(&progress->mutex);
        progress->begun = true;
      }
      read = reader(process, deadline, [&progress](const v1::Evidence& so_far) {
        const absl::MutexLock lock(&progress->mutex);
        progress->so_far = so_far;
      });
    }
    // `this` is used on the loop only, and only while nobody has given up.
    return [this, number, read = std::move(read)] { Answer(open_.find(number), read, MonoNow()); };
  });
  open_.emplace(number, Open{kill, process, std::move(base), now, ticket, std::move(progress)});
}

void EvidenceDesk::Expire(MonoTime now) {
  work_.Take();
  std::vector<uint64_t> due;
  for (const auto& [number, open] : open_) {
    if (open.ticket == 0 || now - open.asked > kAnswerWithin) due.push_back(number);
  }
  // The last first, which wait for a reader, and before anybody is answered: each reader given up
  // makes room for one who waits, and that must be somebody who is not due.
  for (auto number = due.rbegin(); number != due.rend(); ++number)
    work_.GiveUp(open_.at(*number).ticket);
  for (const uint64_t number : due) {
    const auto open = open_.find(number);
    Answer(open, CutOff(open->second), now);
  }
}

v1::Evidence EvidenceDesk::CutOff(const Open& open) const {
  if (open.ticket == 0) return Only(kBusy);
  v1::Evidence evidence;
  bool begun = false;
  {
    const absl::MutexLock lock(&open.progress->mutex);
    begun = open.progress->begun;
    evidence = open.progress->so_far;
  }
  if (!begun) {
    evidence = Only(kBusy);
  } else {
    // The reader did not come to its last check. The start time is one that nobody else ever has
    // with this pid, so what was read before now was this process.
    const auto stat = ReadStat(open.process.pid);
    if (!stat || stat->start_ticks != open.process.start_ticks) {
      evidence = Only("process: it has ended");
    } else {
      evidence.add_missing(fmt::format("{}: reading did not end within {}ms",
                                       evidence.state().empty() ? "process" : "the rest",
                                       kAnswerWithin / std::chrono::milliseconds(1)));
    }
  }
  evidence.set_timed_out(true);
  return evidence;
}

void EvidenceDesk::Answer(std::map<uint64_t, Open>::iterator open, const v1::Evidence& read,
                          MonoTime now) {
  // Forgotten before `ready` runs: it may ask again.
  const int64_t kill = open->second.kill;
  v1::Evidence evidence = std::move(open->second.base);
  const Nanos took = std::max(now - open->second.asked, Nanos(0));
  open_.erase(open);
  evidence.MergeFrom(read);
  *evidence.mutable_took() = ToProto(took);
  BoundEvidence(&evidence);
  ready_(kill, std::move(evidence));
}

}  // namespace procctl::node
