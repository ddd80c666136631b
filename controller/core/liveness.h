// When a node counts as heard, suspect or lost. Pure: time comes in as an argument.
//
//   CONNECTED --silence > suspect_after--> SUSPECT --silence > lost_after--> LOST --forget_after-->
//       ^ |________________any message____________|_________________________|         FORGOTTEN
//       | +--Goodbye--> DRAINING --silence > lost_after--> LOST                            |
//       +____________________________________a new session_________________________________|
//
// A person may say FORGOTTEN of any node that is not CONNECTED.
//
// Silence is what this controller has *observed*, like the guardian's silence of a slot: a
// controller that was itself stopped, suspended or starved must not find all its nodes lost when it
// wakes. So time advances by at most kMostPerTick between two ticks. A node that this controller
// has not heard since its own start counts as heard at that start, but as SUSPECT. Nobody is LOST
// within start_grace of the controller's start: the whole fleet is coming back.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "controller/core/mono_time.h"
#include "procctl/v1/event.pb.h"

namespace procctl::controller {

// Numbered like procctl.v1.NodeState.
enum class NodeState { kConnected = 1, kSuspect = 2, kLost = 3, kDraining = 4, kForgotten = 5 };

struct LivenessLimits {
  std::chrono::nanoseconds suspect_after = std::chrono::seconds(25);
  std::chrono::nanoseconds lost_after = std::chrono::seconds(45);  // > suspect_after
  // After its start a controller calls nobody LOST for so long: the whole fleet is coming back.
  std::chrono::nanoseconds start_grace = std::chrono::minutes(3);
  // A node that was LOST for so long is FORGOTTEN. 0: never.
  std::chrono::nanoseconds forget_after = std::chrono::hours(24 * 7);
};

// Time observed since the controller's start.
using Observed = std::chrono::nanoseconds;

class Liveness {
 public:
  // Several times the shell's tick of 250 ms, far below any suspect time.
  static constexpr std::chrono::nanoseconds kMostPerTick = std::chrono::seconds(2);

  Liveness(const LivenessLimits& limits, MonoTime start) : limits_(limits), last_tick_(start) {}

  // `deaf`: the controller could not have heard anybody since the last tick.
  void Tick(MonoTime now, bool deaf = false);
  Observed observed() const { return observed_; }

  // `last_heard`: observed() at the node's last message; empty: none since the controller's start.
  // `goodbye`: that message said that the node ends in good order.
  NodeState Judge(std::optional<Observed> last_heard, bool goodbye = false) const;

  // Silent for longer than half of suspect_after. Heartbeats come at least twice in suspect_after
  // (the configuration sees to it), so such a node has missed one.
  bool MissedOne(Observed last_heard) const {
    return observed_ - last_heard > limits_.suspect_after / 2;
  }

 private:
  LivenessLimits limits_;
  MonoTime last_tick_;
  Observed observed_{0};
};

struct StateChange {
  std::string node;
  NodeState from;
  NodeState to;
};

// The event that a change of state is worth, if any. `from` is empty for a node never heard of
// before.
std::optional<v1::EventKind> EventOfChange(std::optional<NodeState> from, NodeState to);

}  // namespace procctl::controller
