// A kill that is due or under way: who is to be stopped, why, for whom, and how far the ladder is.
#pragma once

#include <string>
#include <vector>

#include "node/core/ladder.h"
#include "procctl/v1/event.pb.h"

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

  Ladder ladder;
  // Slot, process, cause, silence and timeout as they were when the kill became due: every event of
  // this kill starts from it.
  v1::Event subject;
  int64_t generation = 0;
  // The order that began it is first. All get a verdict of their own.
  std::vector<OrderRef> orders;
  // Why the next signal is withheld; empty if it is not.
  std::string hold_reason;
  // Facts of a held target are not read again before this.
  MonoTime recheck_at;
  // When the target did not go within the patience after SIGKILL, its orders already have that
  // verdict.
  bool declared_unkillable = false;
};

}  // namespace procctl::node
