#include "cli/local_client.h"

#include <time.h>

#include <algorithm>
#include <map>
#include <utility>

#include "cli/local_order.h"
#include "cli/local_rows.h"
#include "proto/support/escape.h"
#include "proto/support/time_convert.h"
#include "spdlog/fmt/fmt.h"

namespace procctl::cli {
namespace {

using std::chrono::nanoseconds;

// In one query (detail.proto).
constexpr int kMostGenerations = 1000;

google::protobuf::Timestamp Now() { return ToProto(std::chrono::system_clock::now()); }

Deadline In(Timeout timeout) { return std::chrono::steady_clock::now() + timeout; }

// CLOCK_BOOTTIME, which the guardian of this host has too.
nanoseconds SinceBoot() {
  timespec now{};
  (void)clock_gettime(CLOCK_BOOTTIME, &now);  // cannot fail with this clock
  return std::chrono::seconds(now.tv_sec) + nanoseconds(now.tv_nsec);
}

absl::Status StatusOf(const v1::LocalError& error) {
  const std::string message = Printable(error.message());
  switch (error.kind()) {
    case v1::LOCAL_ERROR_KIND_NOT_ALLOWED:
      return absl::PermissionDeniedError("not allowed: " + message);
    case v1::LOCAL_ERROR_KIND_BUSY:
      return absl::UnavailableError("the node is busy: " + message);
    default:  // refused, and whatever a newer node says
      return absl::FailedPreconditionError("the node refused: " + message);
  }
}

absl::Status NeedsController() {
  return absl::UnimplementedError(
      "a node keeps no history; leave out --local and name a controller (--controller)");
}

}  // namespace

absl::StatusOr<std::unique_ptr<LocalClient>> LocalClient::Make(const std::string& path,
                                                               Timeout timeout) {
  std::unique_ptr<LocalClient> client(new LocalClient(path));
  if (auto s = client->Connect(In(timeout), {}); !s.ok()) return s;
  return client;
}

absl::Status LocalClient::Connect(Deadline deadline, const std::stop_token& stop) {
  if (socket_) return absl::OkStatus();
  auto socket = LocalSocket::Connect(path_);
  if (!socket.ok()) return socket.status();
  const auto greeting = socket->Receive(deadline, stop);
  if (!greeting.ok()) return greeting.status();
  if (greeting->has_error()) return StatusOf(greeting->error());
  if (!greeting->has_hello() || greeting->hello().node_id().empty()) {
    return absl::InternalError(fmt::format(
        "what serves {} does not say which node it is; is it of another version?", path_));
  }
  if (!hello_.node_id().empty() && hello_.node_id() != greeting->hello().node_id()) {
    return absl::FailedPreconditionError(
        fmt::format("{} is served by the node {} now, and was by {}", path_,
                    Printable(greeting->hello().node_id()), Printable(hello_.node_id())));
  }
  hello_ = greeting->hello();
  socket_.emplace(*std::move(socket));
  return absl::OkStatus();
}

absl::Status LocalClient::Failed(absl::Status status) {
  // After these two the connection is as good as before: a late reply is known by its number.
  if (!absl::IsDeadlineExceeded(status) && !absl::IsCancelled(status)) socket_.reset();
  return status;
}

absl::StatusOr<v1::LocalReply> LocalClient::Ask(v1::LocalRequest request, Timeout timeout,
                                                const std::stop_token& stop) {
  const Deadline deadline = In(timeout);
  if (auto s = Connect(deadline, stop); !s.ok()) return s;
  request.set_request(++last_request_);
  if (auto s = socket_->Send(request, deadline, stop); !s.ok()) return Failed(s);
  for (;;) {
    auto reply = socket_->Receive(deadline, stop);
    if (!reply.ok()) return Failed(reply.status());
    if (reply->request() != request.request()) continue;
    if (reply->has_error()) return StatusOf(reply->error());
    return reply;
  }
}

absl::Status LocalClient::Carry(
    const std::vector<v1::LocalOrder>& orders, Deadline deadline, const std::stop_token& stop,
    const std::function<void(size_t, const v1::LocalReply&)>& on_reply) {
  if (auto s = Connect(deadline, stop); !s.ok()) return s;
  const int64_t first = last_request_ + 1;
  last_request_ += static_cast<int64_t>(orders.size());
  for (size_t i = 0; i < orders.size(); ++i) {
    v1::LocalRequest request;
    request.set_request(first + static_cast<int64_t>(i));
    *request.mutable_order() = orders[i];
    if (auto s = socket_->Send(request, deadline, stop); !s.ok()) return Failed(s);
  }
  std::vector<bool> ended(orders.size());
  for (size_t open = orders.size(); open > 0;) {
    const auto reply = socket_->Receive(deadline, stop);
    if (!reply.ok()) return Failed(reply.status());
    const int64_t index = reply->request() - first;
    if (index < 0 || index >= static_cast<int64_t>(orders.size())) continue;
    const auto target = static_cast<size_t>(index);
    if (ended[target]) continue;
    on_reply(target, *reply);
    if (!reply->last()) continue;
    ended[target] = true;
    --open;
  }
  return absl::OkStatus();
}

absl::Status LocalClient::CheckNode(const std::string& node) const {
  if (node == hello_.node_id()) return absl::OkStatus();
  return absl::NotFoundError(fmt::format("{} is another node than this one, which is {}",
                                         Printable(node), Printable(hello_.node_id())));
}

absl::StatusOr<std::vector<v1::Slot>> LocalClient::AllSlots(Timeout timeout) {
  std::vector<v1::Slot> rows;
  v1::LocalRequest request;
  request.mutable_slots();
  for (;;) {
    auto reply = Ask(request, timeout);
    if (!reply.ok()) return reply.status();
    for (v1::Slot& slot : *reply->mutable_slots()->mutable_slots()) rows.push_back(std::move(slot));
    if (!reply->slots().more() || rows.empty()) return rows;
    const int64_t last = rows.back().incarnation().generation();
    // The same page for ever would be the alternative.
    if (last <= request.slots().after_generation()) {
      return absl::InternalError("the node repeats a page of the list");
    }
    request.mutable_slots()->set_after_generation(last);
  }
}

template <typename Row>
absl::Status LocalClient::AddUsage(const std::map<int64_t, Row*>& by_generation, Timeout timeout) {
  for (auto next = by_generation.begin(); next != by_generation.end();) {
    v1::LocalRequest request;
    v1::UsageQuery* query = request.mutable_detail()->mutable_usage();
    for (; next != by_generation.end() && query->generations_size() < kMostGenerations; ++next)
      query->add_generations(next->first);
    auto reply = Ask(std::move(request), timeout);
    if (!reply.ok()) return reply.status();
    for (v1::UsageAnswer::Row& row : *reply->mutable_detail()->mutable_usage()->mutable_rows()) {
      if (const auto found = by_generation.find(row.generation()); found != by_generation.end())
        *found->second->mutable_usage() = std::move(*row.mutable_usage());
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<SlotList> LocalClient::ListSlots(const std::string& filter, Timeout timeout,
                                                bool with_usage) {
  const auto rows = AllSlots(timeout);
  if (!rows.ok()) return rows.status();
  const bool asks = AsksForUsage(filter);
  auto list =
      SlotsOf(hello_, *rows, filter, Now(), asks ? procctl::Match::kMaybe : procctl::Match::kYes);
  if (!list.ok() || !(with_usage || asks)) return list;
  std::map<int64_t, v1::FleetSlot*> by_generation;
  for (v1::FleetSlot& row : list->slots)
    by_generation[row.slot().incarnation().generation()] = &row;
  if (auto s = AddUsage(by_generation, timeout); !s.ok()) return s;
  DropNoMatches(filter, &*list);
  return list;
}

absl::StatusOr<NodeList> LocalClient::ListNodes(const std::string& filter, Timeout timeout) {
  const auto slots = ListSlots("", timeout, /*with_usage=*/false);
  if (!slots.ok()) return slots.status();
  return NodesOf(hello_, slots->summary, filter, slots->as_of);
}

absl::StatusOr<ProgramList> LocalClient::ListPrograms(const std::string& filter, Timeout timeout,
                                                      bool with_usage) {
  std::vector<v1::Program> rows;
  v1::LocalRequest request;
  request.mutable_programs();
  for (;;) {
    auto reply = Ask(request, timeout);
    if (!reply.ok()) return reply.status();
    for (v1::Program& program : *reply->mutable_programs()->mutable_programs()) {
      rows.push_back(std::move(program));
    }
    if (!reply->programs().more() || rows.empty()) break;
    if (rows.back().label() <= request.programs().after_label()) {
      return absl::InternalError("the node repeats a page of the list");
    }
    request.mutable_programs()->set_after_label(rows.back().label());
  }
  auto list = ProgramsOf(hello_, rows, filter, Now());
  if (!list.ok() || !with_usage) return list;
  std::map<int64_t, v1::FleetProgram*> by_generation;
  for (v1::FleetProgram& row : list->programs) {
    if (row.program().has_incarnation())
      by_generation[row.program().incarnation().generation()] = &row;
  }
  if (auto s = AddUsage(by_generation, timeout); !s.ok()) return s;
  return list;
}

absl::Status LocalClient::ListEvents(
    v1::ListEventsRequest /*request*/, Timeout /*timeout*/,
    const std::function<void(const v1::ListEventsResponse&)>& /*on_page*/) {
  return NeedsController();
}

absl::Status LocalClient::Watch(
    const v1::WatchRequest& /*request*/, const std::stop_token& /*stop*/,
    const std::function<bool(const v1::WatchResponse&)>& /*on_message*/) {
  return NeedsController();
}

absl::StatusOr<v1::StoredEvent> LocalClient::FindEvent(const v1::EventId& /*id*/,
                                                       Timeout /*timeout*/) {
  return NeedsController();
}

absl::StatusOr<v1::CountSlotsResponse> LocalClient::CountSlots(
    const v1::CountSlotsRequest& /*request*/, Timeout /*timeout*/) {
  return NeedsController();
}

absl::StatusOr<v1::GetFleetResponse> LocalClient::GetFleet(Timeout /*timeout*/) {
  return NeedsController();
}

absl::StatusOr<v1::DescribeResponse> LocalClient::Describe(const std::string& node,
                                                           int64_t generation, Timeout timeout) {
  if (auto s = CheckNode(node); !s.ok()) return s;
  v1::LocalRequest request;
  request.mutable_detail()->set_generation(generation);
  auto reply = Ask(std::move(request), timeout);
  if (!reply.ok()) return reply.status();
  v1::DescribeResponse response;
  v1::DetailReply* detail = reply->mutable_detail();
  if (detail->has_slot()) *response.mutable_slot() = std::move(*detail->mutable_slot());
  if (detail->has_node()) *response.mutable_node_detail() = std::move(*detail->mutable_node());
  if (!response.has_slot() && !response.has_node_detail()) {
    return absl::NotFoundError(
        fmt::format("{} holds no such slot any more; `procctl-cli --local list` shows what there "
                    "is",
                    Printable(node)));
  }
  return response;
}

absl::Status LocalClient::ForgetNode(const v1::ForgetNodeRequest& /*request*/,
                                     Timeout /*timeout*/) {
  return NeedsController();
}

absl::StatusOr<v1::HoldSlotsResponse> LocalClient::Hold(const v1::HoldSlotsRequest& request,
                                                        Timeout timeout) {
  for (const v1::KillTarget& target : request.targets()) {
    if (auto s = CheckNode(target.node()); !s.ok()) return s;
  }
  const auto orders = OrdersOf(request, SinceBoot());
  v1::HoldSlotsResponse response;
  for (const v1::LocalOrder& order : orders) {
    response.add_outcomes()->set_order_id(OrderIdOf(order));
  }
  const absl::Status status =
      Carry(orders, In(timeout), {}, [&](size_t i, const v1::LocalReply& reply) {
        if (!reply.last()) return;
        *response.mutable_outcomes(static_cast<int>(i)) =
            HoldOutcomeOf(OrderIdOf(orders[i]), reply);
      });
  if (!status.ok()) return status;
  return response;
}

absl::StatusOr<v1::ControlProgramsResponse> LocalClient::ControlPrograms(
    const v1::ControlProgramsRequest& request, Timeout timeout) {
  for (const v1::ProgramTarget& target : request.targets()) {
    if (auto s = CheckNode(target.node()); !s.ok()) return s;
  }
  const auto orders = OrdersOf(request, SinceBoot());
  v1::ControlProgramsResponse response;
  for (const v1::LocalOrder& order : orders) {
    response.add_outcomes()->set_order_id(OrderIdOf(order));
  }
  const absl::Status status =
      Carry(orders, In(timeout), {}, [&](size_t i, const v1::LocalReply& reply) {
        if (!reply.last()) return;
        *response.mutable_outcomes(static_cast<int>(i)) =
            ProgramOutcomeOf(OrderIdOf(orders[i]), reply);
      });
  if (!status.ok()) return status;
  return response;
}

absl::StatusOr<v1::OutputChunk> LocalClient::ReadOutput(const v1::ReadOutputRequest& request,
                                                        Timeout timeout,
                                                        const std::stop_token& stop) {
  if (auto s = CheckNode(request.node()); !s.ok()) return s;
  v1::LocalRequest local;
  *local.mutable_detail()->mutable_output() = request.read();
  auto reply = Ask(std::move(local), timeout, stop);
  if (!reply.ok()) return reply.status();
  return std::move(*reply->mutable_detail()->mutable_output());
}

absl::Status LocalClient::Kill(
    const v1::KillSlotsRequest& request, Deadline deadline, std::stop_token stop,
    const std::function<void(const v1::KillSlotsResponse&)>& on_message) {
  for (const v1::KillTarget& target : request.targets()) {
    if (auto s = CheckNode(target.node()); !s.ok()) return s;
  }
  if (auto s = Connect(deadline, stop); !s.ok()) return s;
  v1::KillSlotsResponse accepted;
  accepted.mutable_accepted()->set_request_id(request.request_id());
  accepted.mutable_accepted()->set_targets(request.targets_size());
  on_message(accepted);
  const auto orders = OrdersOf(request, SinceBoot());
  std::vector<v1::TargetProgress> outcomes(orders.size());
  const absl::Status status =
      Carry(orders, deadline, stop, [&](size_t i, const v1::LocalReply& reply) {
        outcomes[i] = ProgressOf(static_cast<int>(i), OrderIdOf(orders[i]), reply);
        v1::KillSlotsResponse message;
        *message.mutable_progress() = outcomes[i];
        on_message(message);
      });
  if (!status.ok()) return status;
  v1::KillSlotsResponse summary;
  *summary.mutable_summary() = SummaryOf(outcomes);
  on_message(summary);
  return absl::OkStatus();
}

}  // namespace procctl::cli
