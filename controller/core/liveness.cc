#include "controller/core/liveness.h"

#include <algorithm>

namespace procctl::controller {

void Liveness::Tick(MonoTime now, bool deaf) {
  const std::chrono::nanoseconds elapsed = now - last_tick_;
  last_tick_ = now;
  if (deaf) return;
  observed_ += std::clamp(elapsed, std::chrono::nanoseconds(0), kMostPerTick);
}

NodeState Liveness::Judge(std::optional<Observed> last_heard, bool goodbye) const {
  const Observed silence = observed_ - last_heard.value_or(Observed(0));
  if (silence > limits_.lost_after && observed_ > limits_.start_grace) {
    const bool forgotten =
        limits_.forget_after > Observed(0) && silence - limits_.lost_after > limits_.forget_after;
    return forgotten ? NodeState::kForgotten : NodeState::kLost;
  }
  if (goodbye) return NodeState::kDraining;
  if (silence > limits_.suspect_after || !last_heard.has_value()) return NodeState::kSuspect;
  return NodeState::kConnected;
}

std::optional<v1::EventKind> EventOfChange(std::optional<NodeState> from, NodeState to) {
  if (from == to) return std::nullopt;
  switch (to) {
    case NodeState::kConnected:
      // Back from SUSPECT is no news: the node was never given up.
      if (from == NodeState::kSuspect) return std::nullopt;
      return v1::EVENT_KIND_NODE_CONNECTED;
    case NodeState::kSuspect:
      if (!from.has_value()) return std::nullopt;
      return v1::EVENT_KIND_NODE_SUSPECT;
    case NodeState::kLost:
      return v1::EVENT_KIND_NODE_LOST;
    case NodeState::kDraining:
      return v1::EVENT_KIND_NODE_DRAINING;
    case NodeState::kForgotten:
      return v1::EVENT_KIND_NODE_FORGOTTEN;
  }
  return std::nullopt;
}

}  // namespace procctl::controller
