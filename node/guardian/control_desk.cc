#include "node/guardian/control_desk.h"

#include <algorithm>
#include <utility>

#include "node/core/order_check.h"
#include "node/os/clock.h"
#include "proto/support/time_convert.h"
#include "spdlog/fmt/fmt.h"

namespace procctl::node {
namespace {

// A row is at most a few KiB: well under the 128 KiB that local.proto promises.
constexpr size_t kPageBytes = 48 * 1024;
constexpr size_t kMostOpenOrders = 8192;
constexpr size_t kMostEnds = 1024;
// Output is waited for at most 3 s (detail.proto).
constexpr Nanos kPatience = std::chrono::seconds(10);
// Of a reason, and of a name or label: what goes into events must fit the link to the uplink.
constexpr size_t kMostReasonBytes = 1000;
constexpr size_t kMostNameBytes = 1024;
constexpr char kUnknown[] =
    "it knows no such request; it may be of an older version than procctl-cli";

bool EndsOrder(const v1::Event& event) {
  switch (event.kind()) {
    case v1::EVENT_KIND_VERDICT:
    case v1::EVENT_KIND_HOLD_PLACED:
    case v1::EVENT_KIND_HOLD_ENDED:
    case v1::EVENT_KIND_PROGRAM_ORDERED:
    case v1::EVENT_KIND_CONFIG_APPLIED:
    case v1::EVENT_KIND_CONFIG_REFUSED:
      return true;
    default:  // all others are steps on the way
      return false;
  }
}

// What all three kinds of order have in common.
struct Common {
  std::string order_id;
  std::string name;
  std::string reason;
  bool has_time_to_live = false;
  Nanos time_to_live{};
};

template <typename Order>
Common CommonOf(const Order& order, const std::string& name) {
  return {order.order_id(), name, order.reason(), order.has_time_to_live(),
          FromProto(order.time_to_live())};
}

std::optional<Common> CommonOf(const v1::LocalOrder& order) {
  switch (order.order_case()) {
    case v1::LocalOrder::kKill:
      return CommonOf(order.kill(), order.kill().slot());
    case v1::LocalOrder::kHold:
      return CommonOf(order.hold(), order.hold().slot());
    case v1::LocalOrder::kProgram:
      return CommonOf(order.program(), order.program().program());
    case v1::LocalOrder::ORDER_NOT_SET:
      break;
  }
  return std::nullopt;
}

bool IsUsableId(const std::string& id) {
  v1::Order order;
  order.set_order_id(id);
  return HasOrderId(order);
}

}  // namespace

void ControlDesk::Take(Client client, const std::string& issuer, const v1::LocalRequest& request) {
  const Asker asker{client, request.request()};
  switch (request.message_case()) {
    case v1::LocalRequest::kSlots:
      return SendSlots(asker, request.slots().after_generation());
    case v1::LocalRequest::kPrograms:
      return SendPrograms(asker, request.programs().after_label());
    case v1::LocalRequest::kOrder:
      return TakeOrder(asker, issuer, request.order());
    case v1::LocalRequest::kDetail:
      return TakeDetail(asker, request.detail());
    case v1::LocalRequest::MESSAGE_NOT_SET:
      break;
  }
  Refuse(asker, v1::LOCAL_ERROR_KIND_REFUSED, kUnknown);
}

void ControlDesk::SendSlots(const Asker& asker, int64_t after) {
  v1::LocalReply reply;
  reply.set_request(asker.request);
  reply.set_last(true);
  v1::LocalSlots* page = reply.mutable_slots();
  size_t bytes = 0;
  auto row = world_.slot_after(after);
  while (row && bytes < kPageBytes) {
    bytes += row->ByteSizeLong();
    after = row->incarnation().generation();
    *page->add_slots() = *std::move(row);
    row = world_.slot_after(after);
  }
  page->set_more(row.has_value());
  world_.reply(asker.client, reply);
}

void ControlDesk::SendPrograms(const Asker& asker, const std::string& after) {
  v1::LocalReply reply;
  reply.set_request(asker.request);
  reply.set_last(true);
  v1::LocalPrograms* page = reply.mutable_programs();
  size_t bytes = 0;
  auto row = world_.program_after(after);
  while (row && bytes < kPageBytes) {
    bytes += row->ByteSizeLong();
    const std::string label = row->label();
    *page->add_programs() = *std::move(row);
    row = world_.program_after(label);
  }
  page->set_more(row.has_value());
  world_.reply(asker.client, reply);
}

void ControlDesk::TakeOrder(const Asker& asker, const std::string& issuer, v1::LocalOrder order) {
  const std::optional<Common> common = CommonOf(order);
  if (!common) return Refuse(asker, v1::LOCAL_ERROR_KIND_REFUSED, kUnknown);
  if (!IsUsableId(common->order_id))
    return Refuse(asker, v1::LOCAL_ERROR_KIND_REFUSED, "the order has no usable id");
  if (common->reason.size() > kMostReasonBytes)
    return Refuse(asker, v1::LOCAL_ERROR_KIND_REFUSED,
                  fmt::format("the reason is over {} bytes", kMostReasonBytes));
  if (common->name.size() > kMostNameBytes)
    return Refuse(asker, v1::LOCAL_ERROR_KIND_REFUSED,
                  fmt::format("the name is over {} bytes", kMostNameBytes));
  if (world_.taken(common->order_id)) return TakeRepeat(asker, common->order_id);
  if (open_.size() >= kMostOpenOrders) {
    return Refuse(
        asker, v1::LOCAL_ERROR_KIND_BUSY,
        fmt::format("{} orders are under way, which is the most; try again", open_.size()));
  }
  if (!order.has_expires_at()) {
    // One that is out of bounds is refused as malformed, whatever stands here.
    const Nanos left = common->has_time_to_live
                           ? std::clamp(common->time_to_live, Nanos(0), kMostTimeToLive)
                           : kDefaultTimeToLive;
    *order.mutable_expires_at() = ToProto(SinceBoot() + left);
  }
  // Before it is handed over: its end may come within.
  open_.insert(common->order_id);
  askers_.emplace(common->order_id, asker);
  const auto hand_over = [&](auto link_order, auto* given, const auto& to) {
    link_order.mutable_order()->Swap(given);
    link_order.mutable_order()->set_issuer(issuer);
    link_order.mutable_expires_at()->Swap(order.mutable_expires_at());
    to(link_order);
  };
  if (order.has_kill()) hand_over(v1::LinkOrder(), order.mutable_kill(), world_.kill);
  if (order.has_hold()) hand_over(v1::LinkHoldOrder(), order.mutable_hold(), world_.hold);
  if (order.has_program())
    hand_over(v1::LinkProgramOrder(), order.mutable_program(), world_.program);
}

void ControlDesk::TakeRepeat(const Asker& asker, const std::string& order_id) {
  if (const v1::Event* end = FindEnd(order_id)) return Tell(asker, *end, /*last=*/true);
  if (open_.contains(order_id) || world_.under_way(order_id)) {
    askers_.emplace(order_id, asker);
    return;
  }
  Refuse(asker, v1::LOCAL_ERROR_KIND_REFUSED,
         fmt::format("order {} was taken before, and how it ended is not known here any "
                     "more; nothing was done again",
                     order_id));
}

const v1::Event* ControlDesk::FindEnd(const std::string& order_id) const {
  const auto is_end = [&](const v1::Event& event) {
    return event.order_id() == order_id && EndsOrder(event);
  };
  if (const auto end = std::find_if(ends_.rbegin(), ends_.rend(), is_end); end != ends_.rend())
    return &*end;
  const auto& waiting = log_->ring().events();
  const auto end = std::find_if(waiting.rbegin(), waiting.rend(), is_end);
  return end == waiting.rend() ? nullptr : &*end;
}

void ControlDesk::OnEvent(const v1::Event& event) {
  if (event.order_id().empty()) return;
  const bool last = EndsOrder(event);
  // Evidence is for the record: who waits for an order has no use for it.
  if (event.kind() == v1::EVENT_KIND_EVIDENCE) return;
  const auto [begin, end] = askers_.equal_range(event.order_id());
  for (auto it = begin; it != end; ++it) Tell(it->second, event, last);
  if (!last) return;
  askers_.erase(begin, end);
  if (open_.erase(event.order_id()) == 0) return;
  ends_.push_back(event);
  ends_.back().clear_evidence();
  if (ends_.size() > kMostEnds) ends_.pop_front();
}

void ControlDesk::Tell(const Asker& asker, const v1::Event& event, bool last) {
  v1::LocalReply reply;
  reply.set_request(asker.request);
  reply.set_last(last);
  *reply.mutable_event() = event;
  reply.mutable_event()->clear_evidence();
  world_.reply(asker.client, reply);
}

void ControlDesk::TakeDetail(const Asker& asker, v1::DetailRequest request) {
  // Numbers of this desk, so that no client can wait for another one's answer.
  const int64_t number = --last_question_;
  request.set_request(number);
  questions_[number] = {asker, MonoNow()};
  if (auto reply = world_.detail(request)) Answer(*std::move(reply));
}

void ControlDesk::Answer(v1::DetailReply detail) {
  const auto found = questions_.find(detail.request());
  if (found == questions_.end()) return;
  v1::LocalReply reply;
  reply.set_request(found->second.asker.request);
  reply.set_last(true);
  detail.set_request(found->second.asker.request);
  *reply.mutable_detail() = std::move(detail);
  world_.reply(found->second.asker.client, reply);
  questions_.erase(found);
}

void ControlDesk::Expire(MonoTime now) {
  for (auto it = questions_.begin(); it != questions_.end();) {
    if (now - it->second.since <= kPatience) {
      ++it;
      continue;
    }
    Refuse(it->second.asker, v1::LOCAL_ERROR_KIND_BUSY, "no answer came within 10 s; try again");
    it = questions_.erase(it);
  }
}

void ControlDesk::Refuse(const Asker& asker, v1::LocalErrorKind kind, std::string why) {
  v1::LocalReply reply;
  reply.set_request(asker.request);
  reply.set_last(true);
  reply.mutable_error()->set_kind(kind);
  reply.mutable_error()->set_message(std::move(why));
  world_.reply(asker.client, reply);
}

void ControlDesk::Left(Client client) {
  std::erase_if(askers_, [&](const auto& entry) { return entry.second.client == client; });
  std::erase_if(questions_, [&](const auto& entry) { return entry.second.asker.client == client; });
}

}  // namespace procctl::node
