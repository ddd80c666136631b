#include "controller/core/liveness.h"

#include <algorithm>

namespace procctl::controller {

void Liveness::Tick(MonoTime now) {
  const std::chrono::nanoseconds elapsed = now - last_tick_;
  last_tick_ = now;
  observed_ += std::clamp(elapsed, std::chrono::nanoseconds(0), kMostPerTick);
}

NodeState Liveness::Judge(std::optional<Observed> last_heard) const {
  const Observed silence = observed_ - last_heard.value_or(Observed(0));
  if (silence > limits_.lost_after) return NodeState::kLost;
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
  }
  return std::nullopt;
}

}  // namespace procctl::controller
