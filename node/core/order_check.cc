#include "node/core/order_check.h"

#include <algorithm>

#include "proto/support/time_convert.h"
#include "spdlog/fmt/fmt.h"

namespace procctl::node {
namespace {

constexpr size_t kMostIdBytes = 128;
constexpr size_t kMostReasonBytes = 1000;

OrderEnd Malformed(std::string message) {
  return {v1::VERDICT_REFUSED, v1::REFUSAL_MALFORMED, std::move(message)};
}

}  // namespace

bool HasOrderId(const v1::Order& order) {
  const std::string& id = order.order_id();
  return !id.empty() && id.size() <= kMostIdBytes &&
         std::all_of(id.begin(), id.end(), [](char c) { return c > ' ' && c < 0x7f; });
}

std::optional<OrderEnd> CheckShape(const v1::LinkOrder& link_order, Nanos since_boot) {
  const v1::Order& order = link_order.order();
  if (!order.has_incarnation() || order.incarnation().boot_id().empty()) {
    return Malformed("the order names no incarnation");
  }
  if (order.has_grace()) {
    const Nanos grace = FromProto(order.grace());
    if (grace < Nanos(0) || grace > kMostGrace) return Malformed("grace must be between 0 and 1h");
  }
  return CheckTime(link_order, since_boot);
}

std::optional<OrderEnd> CheckTime(const v1::LinkOrder& link_order, Nanos since_boot) {
  const v1::Order& order = link_order.order();
  if (order.reason().size() > kMostReasonBytes) return Malformed("the reason is over 1000 bytes");
  if (FromProto(order.time_to_live()) > kMostTimeToLive)
    return Malformed("time to live is over 5m");
  const bool nothing_left = order.has_time_to_live() && FromProto(order.time_to_live()) <= Nanos(0);
  const bool past = link_order.has_expires_at() && since_boot >= FromProto(link_order.expires_at());
  if (nothing_left || past) {
    return OrderEnd{v1::VERDICT_EXPIRED, v1::REFUSAL_UNSPECIFIED,
                    "the order arrived after its time to live"};
  }
  return std::nullopt;
}

std::optional<OrderEnd> CheckHold(const v1::HoldOrder& hold) {
  if (hold.release()) return std::nullopt;
  const Nanos length = FromProto(hold.hold_for());
  if (length <= Nanos(0) || length > kMostHold)
    return Malformed("a hold lasts more than 0 and at most 24h");
  if (hold.reason().empty()) return Malformed("a hold needs a reason");
  return std::nullopt;
}

Nanos GraceOf(const v1::Order& order, Nanos default_grace) {
  return order.has_grace() ? FromProto(order.grace()) : default_grace;
}

std::optional<OrderEnd> CheckTarget(const v1::LinkOrder& link_order, const OrderFacts& facts) {
  const v1::Incarnation& wanted = link_order.order().incarnation();
  const bool same_boot = wanted.boot_id() == facts.boot_id;
  const bool same_process =
      same_boot && facts.start_ticks && *facts.start_ticks == wanted.start_ticks();
  if (!same_process) {
    if (facts.start_ticks) {
      return OrderEnd{v1::VERDICT_IDENTITY_MISMATCH, v1::REFUSAL_UNSPECIFIED,
                      fmt::format("pid {} now belongs to another process", wanted.pid())};
    }
    return OrderEnd{v1::VERDICT_GONE_ALREADY, v1::REFUSAL_UNSPECIFIED,
                    fmt::format("process {} had ended already", wanted.pid())};
  }
  if (link_order.from_earlier_guardian()) {
    return OrderEnd{
        v1::VERDICT_UNKNOWN_AFTER_CRASH, v1::REFUSAL_UNSPECIFIED,
        fmt::format(
            "an earlier guardian took this order and ended before its verdict; process {} is "
            "still there and was not signalled again: order again if it must stop",
            wanted.pid())};
  }
  if (!facts.slot_matches && facts.process_guarded) {
    return OrderEnd{
        v1::VERDICT_IDENTITY_MISMATCH, v1::REFUSAL_UNSPECIFIED,
        fmt::format("process {} gave that slot back and holds another one now", wanted.pid())};
  }
  if (!facts.slot_matches) {
    return OrderEnd{
        v1::VERDICT_REFUSED, v1::REFUSAL_NOT_GUARDED,
        fmt::format("process {} holds no such slot any more; procctl stops only what it guards",
                    wanted.pid())};
  }
  return std::nullopt;
}

}  // namespace procctl::node
