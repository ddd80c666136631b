// A kill that is due or under way: who is to be stopped, why, for whom, and how far the ladder is.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "node/core/ladder.h"
#include "node/core/process_identity.h"
#include "procctl/v1/event.pb.h"
#include "procctl/v1/guardian_state.pb.h"

namespace procctl::node {

struct OrderRef {
  std::string id;
  std::string issuer;
  std::string reason;
};

struct Kill {
  Kill(Nanos grace, v1::Event s) : ladder(grace), subject(std::move(s)) {}

  // An order that comes while another one is under way waits for the same end; more than this many
  // are refused.
  static constexpr size_t kMostOrders = 64;

  enum class Evidence { kNotAsked, kAsked, kDone };

  int64_t number() const { return subject.kill(); }
  // Because of what its heart shows, which may change: brakes, evidence and a beat in time are for
  // these only. The others are somebody's will.
  bool of_heart() const {
    return subject.cause() == v1::CAUSE_HEARTBEAT || subject.cause() == v1::CAUSE_SELF_FAILED;
  }
  bool held() const { return held_by != v1::HELD_BY_UNSPECIFIED; }

  Ladder ladder;
  // Slot, process, cause, symptom, silence and timeout as they were when the kill became due: every
  // event of this kill starts from it.
  v1::Event subject;
  // The order that began it is first. All get a verdict of their own.
  std::vector<OrderRef> orders;
  // Why the next signal is withheld, and since when no facts of a held target are read again.
  v1::HeldBy held_by = v1::HELD_BY_UNSPECIFIED;
  std::string hold_reason;
  MonoTime recheck_at;
  // The brakes have let it pass.
  bool granted = false;
  Evidence evidence = Evidence::kNotAsked;
  // When the target did not go within the patience after SIGKILL, its orders already have that
  // verdict.
  bool declared_unkillable = false;
};

// Both ways between a kill and its record in the journal. `intent`: its next signal is about to be
// sent.
v1::KillRecord RecordOf(const Kill& kill, const ProcessIdentity& process, int64_t uid, bool intent);
// A signal that was about to be sent counts as sent `now`: whoever asks cannot know, and a second
// one would be worse than none.
Kill KillFrom(const v1::KillRecord& record, MonoTime now);

}  // namespace procctl::node
