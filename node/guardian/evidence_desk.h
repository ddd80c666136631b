// Gathers evidence about processes before they are signalled, and never makes a kill wait for
// longer than one limit: whatever cannot be read by then is missing.
//
//   Ask --> waiting for a reader --> being read --> answered with all that was read
//                |                       |
//                | kAnswerWithin         | kAnswerWithin --> answered with what was read so far
//                +--> answered with what the guardian knew ("busy")
//
// Threads: all calls on the loop. Reading happens on detached threads, because it can block.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>

#include "node/core/mono_time.h"
#include "node/core/process_identity.h"
#include "node/guardian/detached_work.h"
#include "node/os/evidence_reader.h"
#include "node/os/poller.h"
#include "procctl/v1/evidence.pb.h"

namespace procctl::node {

class EvidenceDesk {
 public:
  // From Ask to the answer, exact to one call of Expire.
  static constexpr Nanos kAnswerWithin = std::chrono::milliseconds(200);
  // A reader stops by itself this long after Ask, earlier than kAnswerWithin: so whoever is only
  // slow still answers in full, and only a stuck one is cut off.
  static constexpr Nanos kReadFor = std::chrono::milliseconds(150);
  // Few, as they take the processor from the loop; readers that are stuck are not counted.
  static constexpr int kReadersAtOnce = 4;
  static constexpr int kMostThreads = 16;
  static constexpr size_t kMostWaiting = 4096;

  using Reader = std::function<v1::Evidence(const ProcessIdentity&, MonoTime deadline,
                                            const EvidenceSoFar& so_far)>;
  using Ready = std::function<void(int64_t kill, v1::Evidence evidence)>;

  // `poller` outlives the desk. `reader` runs on any thread and must share all it uses, as it may
  // be stuck when the desk is gone.
  EvidenceDesk(Poller* poller, Ready ready, Reader reader = ReadEvidence);
  ~EvidenceDesk();
  EvidenceDesk(const EvidenceDesk&) = delete;
  EvidenceDesk& operator=(const EvidenceDesk&) = delete;

  // Answered exactly once by `ready`, on the loop: from the poller or from Expire, never from
  // inside Ask. `base` is what the guardian knows itself (hearts, its lag); what is read is added
  // to it, with the time it took. `ready` may ask again, but neither call Expire nor destroy the
  // desk.
  void Ask(int64_t kill, const ProcessIdentity& process, v1::Evidence base, MonoTime now);

  // Called each scan: answers whoever has waited for more than kAnswerWithin. Results that have
  // arrived are taken first, so that nobody is cut off for the slowness of the loop.
  void Expire(MonoTime now);

 private:
  struct Progress;
  struct Open {
    int64_t kill = 0;
    ProcessIdentity process;
    v1::Evidence base;
    MonoTime asked;
    DetachedWork::Ticket ticket = 0;  // 0: refused
    std::shared_ptr<Progress> progress;
  };

  void Answer(std::map<uint64_t, Open>::iterator open, const v1::Evidence& read, MonoTime now);
  v1::Evidence CutOff(const Open& open) const;

  Poller* poller_;
  const Ready ready_;
  const Reader reader_;
  Poller::Token token_ = 0;
  // By order of asking, so that the oldest are first.
  std::map<uint64_t, Open> open_;
  uint64_t next_ = 1;
  DetachedWork work_;
};

}  // namespace procctl::node
