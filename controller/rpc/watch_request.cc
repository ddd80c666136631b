#include "controller/rpc/watch_request.h"

#include <grpcpp/impl/codegen/proto_utils.h>

#include <utility>

#include "procctl/v1/fleet_service.pb.h"
#include "proto/support/filter_schemas.h"
#include "spdlog/fmt/fmt.h"

namespace procctl::controller {
namespace {

constexpr int kMostNewest = 1000;

}  // namespace

absl::StatusOr<WatchOrder> ReadWatchRequest(const grpc::ByteBuffer& request) {
  v1::WatchRequest message;
  grpc::ByteBuffer bytes = request;  // by reference; deserialising takes it apart
  if (!grpc::SerializationTraits<v1::WatchRequest>::Deserialize(&bytes, &message).ok()) {
    return absl::InvalidArgumentError("the request is no WatchRequest");
  }
  if (message.has_slots() == message.has_events()) {
    return absl::InvalidArgumentError(
        "exactly one of slots and events must be set (to an empty filter for all of them)");
  }
  WatchOrder order;
  order.kind = message.has_slots() ? WatchFeed::Kind::kSlots : WatchFeed::Kind::kEvents;
  order.filter_text = message.has_slots() ? message.slots() : message.events();
  auto filter = Filter::Parse(order.filter_text,
                              message.has_slots() ? SlotFilterSchema() : EventFilterSchema());
  if (!filter.ok()) return filter.status();
  for (const SlotKey key : {kSlotKeyAge, kSlotKeySilence, kSlotKeyCpu, kSlotKeyMemory}) {
    if (!message.has_slots() || !filter->Uses(key)) continue;
    return absl::InvalidArgumentError(
        fmt::format("{} changes without anybody saying so, so nothing can be watched by it; list "
                    "by it, or watch "
                    "by what else is known of the slots",
                    SlotFilterSchema()[key].name));
  }
  order.filter = *std::move(filter);
  if (message.newest() < 0 || message.newest() > kMostNewest) {
    return absl::InvalidArgumentError(
        fmt::format("newest {}; use 1 to {}, or 0 for none", message.newest(), kMostNewest));
  }
  if (message.newest() > 0 && message.has_slots()) {
    return absl::InvalidArgumentError("newest goes with events, not with slots");
  }
  if (message.resume_token().empty()) {
    order.newest = message.newest();
    return order;
  }
  if (message.newest() > 0) {
    return absl::InvalidArgumentError("newest and resume_token do not go together");
  }
  const std::uint64_t fingerprint = order.filter.fingerprint();
  if (message.has_slots()) {
    auto token = ReadSlotsToken(message.resume_token(), fingerprint);
    if (!token.ok()) return token.status();
    order.slots = *std::move(token);
  } else {
    const auto position = ReadEventsToken(message.resume_token(), fingerprint);
    if (!position.ok()) return position.status();
    order.after_position = *position;
  }
  return order;
}

}  // namespace procctl::controller
