#include "controller/rpc/recorded_order.h"

#include <algorithm>

namespace procctl::controller {

std::vector<Progress> StandingOf(const RecordedRequest& recorded,
                                 const std::vector<v1::Event>& later) {
  const OrderRequest& request = recorded.request;
  std::vector<Progress> targets(request.targets.size());
  for (size_t i = 0; i < targets.size(); ++i) {
    targets[i].target = i;
    targets[i].order_id = OrderId(request.id, i);
    if (!recorded.sent[i]) FillCancelled(&targets[i]);
  }
  for (const auto* events : {&recorded.answers, &later}) {
    for (const v1::Event& event : *events) {
      const auto order = ParseOrderId(event.order_id());
      if (event.kind() != v1::EVENT_KIND_VERDICT || !order || order->first != request.id ||
          order->second >= targets.size() || targets[order->second].done ||
          request.targets[order->second].node != event.node()) {
        continue;
      }
      Fill(event, &targets[order->second]);
      targets[order->second].done = true;
    }
  }
  for (Progress& target : targets) {
    if (!target.done) FillUnresolved(&target);
  }
  return targets;
}

OrderStanding LookAt(const RecordedRequest& recorded, const std::vector<Progress>& targets) {
  const OrderRequest& request = recorded.request;
  OrderStanding standing;
  standing.request_id = request.id;
  standing.state = HasEnded(recorded.state) ? recorded.state : v1::ORDER_STATE_FINISHED;
  standing.message = recorded.state_message;
  standing.issuer = request.issuer;
  standing.reason = request.reason;
  standing.received_at = recorded.received_at;
  standing.pace = request.pace;
  standing.targets = static_cast<int>(targets.size());
  for (const Progress& target : targets) {
    if (target.phase == KillPhase::kCancelled) {
      ++standing.waiting;
      continue;
    }
    ++standing.done;
    if (!HasStopped(target.verdict)) ++standing.failed;
    standing.batch = std::max(standing.batch, request.targets[target.target].batch);
  }
  if (!request.targets.empty()) standing.batches = request.targets.back().batch;
  return standing;
}

}  // namespace procctl::controller
