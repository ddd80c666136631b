#include "node/uplink/pending_holds.h"

#include <utility>

#include "node/uplink/time_to_live.h"

namespace procctl::uplink {

bool PendingHolds::Add(v1::HoldOrder order, BootTime received) {
  if (holds_.size() >= limit_) return false;
  const BootTime expires = ExpiryOf(order, received);
  holds_.push_back({std::move(order), expires});
  return true;
}

std::optional<v1::LinkHoldOrder> PendingHolds::Front(BootTime now) const {
  if (holds_.empty()) return std::nullopt;
  const Pending& front = holds_.front();
  v1::LinkHoldOrder message;
  *message.mutable_order() = front.order;
  *message.mutable_order()->mutable_time_to_live() = LeftUntil(front.expires, now);
  *message.mutable_expires_at() = ToProto(front.expires.time_since_epoch());
  return message;
}

}  // namespace procctl::uplink
