// Reads what processes use, when somebody asks, and never on the loop: a thousand processes take
// longer to read than a scan may be late, and any of them may hold up who reads it.
//
//   Ask --> waiting --> looked at --> answered, where a look of the last seconds is known
//              |            |
//              |            +-- kApart --> looked at again --> answered
//              |            |                      |
//              +------------+----------------------+-- kAnswerWithin --> answered with what is
//              known
//
// Threads: all calls on the loop. One query at a time is read, on a detached thread.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "node/core/mono_time.h"
#include "node/core/process_identity.h"
#include "node/guardian/detached_work.h"
#include "node/os/poller.h"
#include "node/os/usage.h"
#include "procctl/v1/detail.pb.h"

namespace procctl::node {

class UsageDesk {
 public:
  // Between two looks at a process of which nothing is known yet; over UsageReader::kLeastInterval.
  static constexpr Nanos kApart = std::chrono::milliseconds(250);
  // An older look tells nothing of "the last second or so": it is forgotten.
  static constexpr Nanos kRecent = std::chrono::seconds(5);
  // From Ask to the answer, exact to one call of Expire. A controller waits 2 s.
  static constexpr Nanos kAnswerWithin = std::chrono::milliseconds(1500);
  static constexpr size_t kMostWaiting = 15;
  // Those at work and those that are stuck; where all are stuck, further queries find nothing.
  static constexpr int kMostThreads = 4;

  struct Subject {
    int64_t generation = 0;
    ProcessIdentity process;
  };
  // Runs on any thread and must own all it uses, as it may be stuck when the desk is gone.
  using Look = std::function<std::optional<v1::Usage>(UsageReader*, const ProcessIdentity&)>;
  using Ready = std::function<void(v1::UsageAnswer answer)>;

  // `poller` outlives the desk.
  explicit UsageDesk(Poller* poller, Look look = LookNow);
  ~UsageDesk();
  UsageDesk(const UsageDesk&) = delete;
  UsageDesk& operator=(const UsageDesk&) = delete;

  // `ready` runs exactly once, on the loop: from the poller or from Expire, never from inside Ask.
  // The answer holds those that run and were read in time. False if too many wait: nothing was
  // taken. `ready` may ask again, but neither call Expire nor destroy the desk.
  bool Ask(const std::vector<Subject>& subjects, MonoTime now, Ready ready);

  // Nobody waits.
  bool AtRest() const { return open_.empty(); }
  // Called each scan: answers whoever has waited for more than kAnswerWithin.
  void Expire(MonoTime now);

 private:
  struct Progress;
  struct Open {
    MonoTime asked;
    Ready ready;
    DetachedWork::Ticket ticket = 0;
    std::shared_ptr<Progress> progress;
  };
  // A subject with what is known of it.
  struct Studied {
    Subject subject;
    UsageReader reader;
  };

  static std::optional<v1::Usage> LookNow(UsageReader* reader, const ProcessIdentity& process);
  static void Study(const Look& look, MonoTime deadline, std::vector<Studied>* subjects,
                    Progress* progress);
  void Keep(const std::vector<Studied>& subjects, MonoTime now);
  void Answer(std::map<uint64_t, Open>::iterator open);

  Poller* poller_;
  const Look look_;
  Poller::Token token_ = 0;
  // By order of asking, so that the oldest are first.
  std::map<uint64_t, Open> open_;
  uint64_t next_ = 1;
  // The last look at each process; none is older than kRecent before the last query.
  std::map<ProcessIdentity, UsageReader> known_;
  DetachedWork work_;
};

}  // namespace procctl::node
