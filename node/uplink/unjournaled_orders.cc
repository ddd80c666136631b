#include "node/uplink/unjournaled_orders.h"

#include <utility>

#include "node/uplink/time_to_live.h"

namespace procctl::uplink {
namespace {

// `Message`: LinkHoldOrder or LinkProgramOrder.
template <typename Message>
void SetTimes(BootTime expires, BootTime now, Message* message) {
  *message->mutable_order()->mutable_time_to_live() = LeftUntil(expires, now);
  *message->mutable_expires_at() = ToProto(expires.time_since_epoch());
}

}  // namespace

bool UnjournaledOrders::Add(v1::HoldOrder order, BootTime received) {
  if (orders_.size() >= limit_) return false;
  Pending& pending = orders_.emplace_back();
  pending.expires = ExpiryOf(order, received);
  *pending.message.mutable_hold()->mutable_order() = std::move(order);
  return true;
}

bool UnjournaledOrders::Add(v1::ProgramOrder order, BootTime received) {
  if (orders_.size() >= limit_) return false;
  Pending& pending = orders_.emplace_back();
  pending.expires = ExpiryOf(order, received);
  *pending.message.mutable_program()->mutable_order() = std::move(order);
  return true;
}

std::optional<v1::LinkDown> UnjournaledOrders::Front(BootTime now) const {
  if (orders_.empty()) return std::nullopt;
  const Pending& front = orders_.front();
  v1::LinkDown message = front.message;
  message.has_hold() ? SetTimes(front.expires, now, message.mutable_hold())
                     : SetTimes(front.expires, now, message.mutable_program());
  return message;
}

}  // namespace procctl::uplink
