#include "node/uplink/pending_orders.h"

#include <algorithm>
#include <utility>

#include "node/uplink/time_to_live.h"

namespace procctl::uplink {

bool PendingOrders::Add(v1::Order order, bool from_earlier_guardian, std::uint64_t ticket,
                        BootTime received) {
  if (orders_.size() >= limit_) return false;
  const BootTime expires = ExpiryOf(order, received);
  orders_.push_back({std::move(order), from_earlier_guardian, ticket, received, expires});
  return true;
}

void PendingOrders::IntentsWritten(std::uint64_t ticket) { written_ = std::max(written_, ticket); }

std::optional<BootTime> PendingOrders::NextDeadline() const {
  if (orders_.empty()) return std::nullopt;
  const Pending& front = orders_.front();
  return front.ticket <= written_ ? front.received : front.received + kIntentWait;
}

std::optional<PendingOrders::Ready> PendingOrders::Front(BootTime now) const {
  const std::optional<BootTime> deadline = NextDeadline();
  if (!deadline.has_value() || now < *deadline) return std::nullopt;
  const Pending& front = orders_.front();
  Ready ready;
  ready.intent_written = front.ticket <= written_;
  *ready.message.mutable_order() = front.order;
  *ready.message.mutable_order()->mutable_time_to_live() = LeftUntil(front.expires, now);
  *ready.message.mutable_expires_at() = ToProto(front.expires.time_since_epoch());
  ready.message.set_from_earlier_guardian(front.from_earlier_guardian);
  return ready;
}

}  // namespace procctl::uplink
