// The brakes: what keeps a node from killing too much at once, whatever the reason looks like.
//
// Two of them, both asked before the first signal of a kill that no operator ordered. The bucket
// bounds the rate. The common cause says: where many processes go silent together it is the host
// that is sick, and killing them would not make it well.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "node/core/mono_time.h"
#include "procctl/v1/event.pb.h"
#include "procctl/v1/guardian_state.pb.h"

namespace procctl::node {

struct BrakePolicy {
  int burst = 10;
  int per_minute = 30;
  bool common_cause = true;
  int least = 3;
  int share_percent = 50;
  Nanos window = std::chrono::seconds(10);
  Nanos pause = std::chrono::seconds(60);
  Nanos then_every = std::chrono::seconds(60);
};

// Grants `burst` at once and `per_minute` a minute in the long run.
class TokenBucket {
 public:
  TokenBucket(int burst, int per_minute) : burst_(burst), per_minute_(per_minute), tokens_(burst) {}

  bool Take(MonoTime now);
  // One that was taken and not used.
  void Return(MonoTime now);
  double tokens(MonoTime now) const;
  void Restore(double tokens, MonoTime at);

 private:
  void Refill(MonoTime now);

  double burst_;
  double per_minute_;
  double tokens_;
  MonoTime at_;
};

// How many are silent, as one scan saw it.
struct SilenceCensus {
  int64_t slots = 0;
  int64_t processes = 0;
  // Silent slots (QUIET, HUNG, NO_PROGRESS ...), those of them whose silence began within the
  // window of the one that is due, and how many processes these belong to.
  int64_t silent = 0;
  int64_t silent_together = 0;
  int64_t processes_together = 0;
};

class Brake {
 public:
  struct Answer {
    bool granted = false;
    v1::HeldBy held_by = v1::HELD_BY_UNSPECIFIED;
    // Why not, as the end of a sentence.
    std::string reason;
    // The common cause began or ended with this question: a sentence for the record.
    std::string alarm;
    std::string relief;
  };

  explicit Brake(BrakePolicy policy) : policy_(policy), bucket_(policy.burst, policy.per_minute) {}

  // Once per scan in which a kill that no operator ordered is due; before Ask.
  Answer Observe(const SilenceCensus& census, MonoTime now);
  // May the kill go on? A granted one is not asked again. `kill`: its number; 0: of no matter.
  Answer Ask(MonoTime now, int64_t kill = 0);
  // What Ask would answer, without taking anything.
  bool WouldGrant(MonoTime now) const {
    return !(common_cause_ && now < next_) && bucket_.tokens(now) >= 1;
  }
  // It was granted and will not be signalled now.
  void Return(MonoTime now, int64_t kill = 0);

  bool common_cause() const { return common_cause_; }
  // Zero once the pause is over.
  Nanos pause_left(MonoTime now) const;
  double tokens(MonoTime now) const { return bucket_.tokens(now); }
  const BrakePolicy& policy() const { return policy_; }

  v1::BrakeRecord Record(MonoTime now) const;
  void Restore(const v1::BrakeRecord& record);

 private:
  bool Together(int64_t slots, int64_t processes, const SilenceCensus& census) const;

  BrakePolicy policy_;
  TokenBucket bucket_;
  bool common_cause_ = false;
  MonoTime pause_ends_;
  // No kill before this, never earlier than pause_ends_. Then one, and this moves on by then_every.
  MonoTime next_;
  // The kill that moved it last; 0: none.
  int64_t turn_of_ = 0;
};

}  // namespace procctl::node
