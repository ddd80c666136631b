#include "node/uplink/pending_orders.h"

#include <algorithm>
#include <utility>

#include "proto/support/time_convert.h"

namespace procctl::uplink {

bool PendingOrders::Add(v1::Order order, bool from_earlier_guardian, std::uint64_t ticket,
                        BootTime received) {
  if (orders_.size() >= limit_) return false;
  std::chrono::nanoseconds time_to_live = kDefaultTimeToLive;
  if (order.has_time_to_live()) {
    // Not more than the protocol allows, whatever a controller says; an odd value still reaches the
    // guardian and ends there as EXPIRED.
    time_to_live = std::clamp<std::chrono::nanoseconds>(
        FromProto(order.time_to_live()), std::chrono::nanoseconds(0), kMaxTimeToLive);
  }
  orders_.push_back(
      {std::move(order), from_earlier_guardian, ticket, received, received + time_to_live});
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
  // Set also when nothing is left: the guardian then records EXPIRED, whereas unset means 30 s.
  const auto left =
      std::max<std::chrono::nanoseconds>(front.expires - now, std::chrono::nanoseconds(0));
  *ready.message.mutable_order()->mutable_time_to_live() = ToProto(left);
  *ready.message.mutable_expires_at() = ToProto(front.expires.time_since_epoch());
  ready.message.set_from_earlier_guardian(front.from_earlier_guardian);
  return ready;
}

}  // namespace procctl::uplink
