#include "controller/rpc/fleet_service.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "proto/support/filter_schemas.h"
#include "controller/rpc/clocks.h"
#include "controller/rpc/describe_call.h"
#include "controller/rpc/fleet_messages.h"
#include "controller/rpc/kill_stream.h"
#include "controller/rpc/outcome_call.h"
#include "controller/rpc/page_token.h"
#include "controller/rpc/read_output_call.h"
#include "proto/support/status.h"
#include "proto/support/time_convert.h"
#include "proto/support/version.h"

namespace procctl::controller {
namespace {

constexpr int kMostNodes = 1000;
constexpr int kStandardPage = 1000;
constexpr int kMostRows = 5000;
// Half of what gRPC's clients take by default.
constexpr size_t kMostPageBytes = 2 << 20;
// Rows looked at per hold of the fleet's lock: some milliseconds, so that a rare filter over a
// large fleet keeps no session waiting.
constexpr size_t kRowsPerHold = 20'000;

grpc::ServerUnaryReactor* Answer(grpc::CallbackServerContext* context, const absl::Status& status) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  reactor->Finish(ToGrpc(status));
  return reactor;
}

absl::Status GoingDown() {
  return absl::UnavailableError("the controller is going down; try again");
}

// A call that is over before it began.
template <typename Reactor>
class Refusal final : public Reactor {
 public:
  explicit Refusal(const absl::Status& status) { this->Finish(ToGrpc(status)); }
  void OnDone() override { delete this; }
};

absl::StatusOr<std::int64_t> Position(const std::string& text) {
  std::int64_t position = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), position);
  if (error != std::errc() || end != text.data() + text.size() || position < 0) {
    return absl::InvalidArgumentError(
        "page_token is none of this list's; leave it out to start again");
  }
  return position;
}

// Where a list of rows begins: at its first, or where the page before ended.
absl::StatusOr<RowKeyset> StartOf(const std::string& page_token, std::string_view list,
                                  const Filter& filter) {
  if (page_token.empty()) return RowKeyset{};
  auto keys = ReadPageToken(page_token, list, filter.fingerprint(), 2);
  if (!keys.ok()) return keys.status();
  return RowKeyset{std::move((*keys)[0]), std::move((*keys)[1])};
}

}  // namespace

FleetServiceImpl::FleetServiceImpl(std::string fleet_name, const SessionWorld* world,
                                   ReaderThreads* readers)
    : fleet_name_(std::move(fleet_name)),
      world_(world),
      readers_(readers),
      started_at_(WallNow()) {}

grpc::ServerUnaryReactor* FleetServiceImpl::GetFleet(grpc::CallbackServerContext* context,
                                                     const v1::GetFleetRequest*,
                                                     v1::GetFleetResponse* response) {
  const auto caller = world_->gatekeeper->Admit(*context, "/procctl.v1.FleetService/GetFleet");
  if (!caller.ok()) return Answer(context, caller.status());
  response->set_fleet(fleet_name_);
  response->set_controller_id(world_->controller_id);
  response->set_software_version(kVersion);
  *response->mutable_started_at() = ToProto(started_at_);
  *response->mutable_clock() = ToProto(WallNow());
  response->set_you(caller->ToString());
  return Answer(context, absl::OkStatus());
}

grpc::ServerUnaryReactor* FleetServiceImpl::ListNodes(grpc::CallbackServerContext* context,
                                                      const v1::ListNodesRequest* request,
                                                      v1::ListNodesResponse* response) {
  const auto caller = world_->gatekeeper->Admit(*context, "/procctl.v1.FleetService/ListNodes");
  return Answer(context, caller.ok() ? FillNodes(*request, response) : caller.status());
}

grpc::ServerUnaryReactor* FleetServiceImpl::ListSlots(grpc::CallbackServerContext* context,
                                                      const v1::ListSlotsRequest* request,
                                                      v1::ListSlotsResponse* response) {
  const auto caller = world_->gatekeeper->Admit(*context, "/procctl.v1.FleetService/ListSlots");
  return Answer(context, caller.ok() ? FillSlots(*request, response) : caller.status());
}

grpc::ServerUnaryReactor* FleetServiceImpl::ListEvents(grpc::CallbackServerContext* context,
                                                       const v1::ListEventsRequest* request,
                                                       v1::ListEventsResponse* response) {
  const auto caller = world_->gatekeeper->Admit(*context, "/procctl.v1.FleetService/ListEvents");
  if (!caller.ok()) return Answer(context, caller.status());
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  // Request, response and reactor live until Finish.
  const bool submitted = readers_->Submit([this, reactor, request, response] {
    reactor->Finish(ToGrpc(FillEvents(*request, response)));
  });
  if (!submitted) {
    reactor->Finish(
        ToGrpc(absl::UnavailableError("too many lists of events at a time; try again")));
  }
  return reactor;
}

absl::Status FleetServiceImpl::FillNodes(const v1::ListNodesRequest& request,
                                         v1::ListNodesResponse* response) {
  const auto filter = Filter::Parse(request.filter(), NodeFilterSchema());
  if (!filter.ok()) return filter.status();
  const auto size = PageSize(request.page_size(), kMostNodes, kMostNodes);
  if (!size.ok()) return size.status();
  std::string after;
  if (!request.page_token().empty()) {
    const auto keys = ReadPageToken(request.page_token(), "nodes", filter->fingerprint(), 1);
    if (!keys.ok()) return keys.status();
    after = keys->front();
  }
  const MonoTime now = MonoNow();
  world_->fleet->Read([&](const FleetView& view) {
    view.VisitNodes(*filter, after, [&](const NodeRow& node) {
      if (response->nodes_size() == *size) {
        response->set_next_page_token(
            MakePageToken("nodes", filter->fingerprint(), {response->nodes(*size - 1).id()}));
        return false;
      }
      ToMessage(node, now, response->add_nodes());
      return true;
    });
  });
  *response->mutable_as_of() = ToProto(WallNow());
  return absl::OkStatus();
}

absl::Status FleetServiceImpl::FillSlots(const v1::ListSlotsRequest& request,
                                         v1::ListSlotsResponse* response) {
  const auto filter = Filter::Parse(request.filter(), SlotFilterSchema());
  if (!filter.ok()) return filter.status();
  const auto size = PageSize(request.page_size(), kStandardPage, kMostRows);
  if (!size.ok()) return size.status();
  auto start = StartOf(request.page_token(), "slots", *filter);
  if (!start.ok()) return start.status();
  std::optional<RowKeyset> at = *std::move(start);
  const MonoTime now = MonoNow();
  size_t bytes = 0;
  bool full = false;
  while (at && !full) {
    world_->fleet->Read([&](const FleetView& view) {
      if (request.page_token().empty() && !response->has_summary()) {
        ToMessage(view.summary(), response->mutable_summary());
      }
      at = view.VisitSlots(*filter, *at, kRowsPerHold,
                           [&](const NodeRow& node, const SlotRow& slot) {
                             v1::FleetSlot* row = response->add_slots();
                             ToMessage(node, slot, now, row);
                             bytes += row->ByteSizeLong();
                             full = response->slots_size() >= *size || bytes > kMostPageBytes;
                             return !full;
                           });
    });
  }
  if (at) {
    response->set_next_page_token(
        MakePageToken("slots", filter->fingerprint(), {at->node, at->label}));
  }
  *response->mutable_as_of() = ToProto(WallNow());
  return absl::OkStatus();
}

absl::Status FleetServiceImpl::FillPrograms(const v1::ListProgramsRequest& request,
                                            v1::ListProgramsResponse* response) {
  const auto filter = Filter::Parse(request.filter(), ProgramFilterSchema());
  if (!filter.ok()) return filter.status();
  const auto size = PageSize(request.page_size(), kStandardPage, kMostRows);
  if (!size.ok()) return size.status();
  auto start = StartOf(request.page_token(), "programs", *filter);
  if (!start.ok()) return start.status();
  std::optional<RowKeyset> at = *std::move(start);
  const MonoTime now = MonoNow();
  size_t bytes = 0;
  bool full = false;
  while (at && !full) {
    world_->fleet->Read([&](const FleetView& view) {
      at = view.VisitPrograms(*filter, *at, kRowsPerHold,
                              [&](const NodeRow& node, const ProgramRow& program) {
                                ToMessage(node, program, now, response->add_programs());
                                bytes += program.packed.size();
                                full = response->programs_size() >= *size || bytes > kMostPageBytes;
                                return !full;
                              });
    });
  }
  if (at) {
    response->set_next_page_token(
        MakePageToken("programs", filter->fingerprint(), {at->node, at->label}));
  }
  *response->mutable_as_of() = ToProto(WallNow());
  return absl::OkStatus();
}

absl::Status FleetServiceImpl::FillEvents(const v1::ListEventsRequest& request,
                                          v1::ListEventsResponse* response) {
  auto filter = Filter::Parse(request.filter(), EventFilterSchema());
  if (!filter.ok()) return filter.status();
  const auto size = PageSize(request.page_size(), kStandardPage, kMostRows);
  if (!size.ok()) return size.status();
  if (request.newest() < 0) {
    return absl::InvalidArgumentError("newest must be 0 (all) or more");
  }
  EventQuery query;
  query.limit = *size;
  query.limit_bytes = kMostPageBytes;
  if (request.has_since()) query.since = FromProto(request.since());
  if (request.page_token().empty()) {
    query.newest = request.newest();
  } else {
    const auto keys = ReadPageToken(request.page_token(), "events", filter->fingerprint(), 1);
    if (!keys.ok()) return keys.status();
    const auto position = Position(keys->front());
    if (!position.ok()) return position.status();
    query.after_position = *position;
  }
  const std::uint64_t fingerprint = filter->fingerprint();
  query.filter = *std::move(filter);
  auto page = world_->engine->history().Query(query);
  if (!page.ok()) return page.status();
  if (page->more) {
    response->set_next_page_token(
        MakePageToken("events", fingerprint, {std::to_string(page->events.back().position)}));
  }
  for (LoggedEvent& logged : page->events) {
    ToMessage(std::move(logged), response->add_events());
  }
  return absl::OkStatus();
}

grpc::ServerWriteReactor<v1::KillSlotsResponse>* FleetServiceImpl::KillSlots(
    grpc::CallbackServerContext* context, const v1::KillSlotsRequest* request) {
  using Refused = Refusal<grpc::ServerWriteReactor<v1::KillSlotsResponse>>;
  const auto caller = world_->gatekeeper->Admit(*context, "/procctl.v1.FleetService/KillSlots");
  if (!caller.ok()) return new Refused(caller.status());
  OrderRequest kill = FromMessage(*request);
  if (absl::Status checked = CheckOrderRequest(kill); !checked.ok()) return new Refused(checked);
  if (going_down_.load()) return new Refused(GoingDown());
  kill.issuer = caller->ToString();
  std::shared_ptr<KillStream> stream = KillStream::Make(kill.id, kill.targets.size());
  calls_.Add(stream);
  world_->kills->Start(std::move(kill), stream);
  return stream.get();
}

grpc::ServerUnaryReactor* FleetServiceImpl::Describe(grpc::CallbackServerContext* context,
                                                     const v1::DescribeRequest* request,
                                                     v1::DescribeResponse* response) {
  const auto caller = world_->gatekeeper->Admit(*context, "/procctl.v1.FleetService/Describe");
  if (!caller.ok()) return Answer(context, caller.status());
  if (absl::Status checked = CheckDescribe(*request); !checked.ok())
    return Answer(context, checked);
  if (going_down_.load()) return Answer(context, GoingDown());
  const auto call = DescribeCall::Make(world_->fleet, request->node(), response);
  calls_.Add(call);
  v1::DetailRequest question;
  question.set_generation(request->generation());
  world_->details->Ask(request->node(), std::move(question), call);
  return call.get();
}

grpc::ServerUnaryReactor* FleetServiceImpl::HoldSlots(grpc::CallbackServerContext* context,
                                                      const v1::HoldSlotsRequest* request,
                                                      v1::HoldSlotsResponse* response) {
  const auto caller = world_->gatekeeper->Admit(*context, "/procctl.v1.FleetService/HoldSlots");
  if (!caller.ok()) return Answer(context, caller.status());
  OrderRequest hold = FromMessage(*request);
  if (absl::Status checked = CheckOrderRequest(hold); !checked.ok())
    return Answer(context, checked);
  if (going_down_.load()) return Answer(context, GoingDown());
  hold.issuer = caller->ToString();
  const auto call = OutcomeCall<v1::HoldSlotsResponse>::Make(response);
  calls_.Add(call);
  world_->answers->Start(std::move(hold), call);
  return call.get();
}

grpc::ServerUnaryReactor* FleetServiceImpl::ListPrograms(grpc::CallbackServerContext* context,
                                                         const v1::ListProgramsRequest* request,
                                                         v1::ListProgramsResponse* response) {
  const auto caller = world_->gatekeeper->Admit(*context, "/procctl.v1.FleetService/ListPrograms");
  return Answer(context, caller.ok() ? FillPrograms(*request, response) : caller.status());
}

grpc::ServerUnaryReactor* FleetServiceImpl::ControlPrograms(
    grpc::CallbackServerContext* context, const v1::ControlProgramsRequest* request,
    v1::ControlProgramsResponse* response) {
  const auto caller =
      world_->gatekeeper->Admit(*context, "/procctl.v1.FleetService/ControlPrograms");
  if (!caller.ok()) return Answer(context, caller.status());
  absl::StatusOr<OrderRequest> order = FromMessage(*request);
  if (!order.ok()) return Answer(context, order.status());
  if (absl::Status checked = CheckOrderRequest(*order); !checked.ok())
    return Answer(context, checked);
  if (going_down_.load()) return Answer(context, GoingDown());
  order->issuer = caller->ToString();
  const auto call = OutcomeCall<v1::ControlProgramsResponse>::Make(response);
  calls_.Add(call);
  world_->answers->Start(*std::move(order), call);
  return call.get();
}

grpc::ServerUnaryReactor* FleetServiceImpl::ReadOutput(grpc::CallbackServerContext* context,
                                                       const v1::ReadOutputRequest* request,
                                                       v1::ReadOutputResponse* response) {
  const auto caller = world_->gatekeeper->Admit(*context, "/procctl.v1.FleetService/ReadOutput");
  if (!caller.ok()) return Answer(context, caller.status());
  if (absl::Status checked = CheckReadOutput(*request); !checked.ok())
    return Answer(context, checked);
  if (going_down_.load()) return Answer(context, GoingDown());
  const auto call = ReadOutputCall::Make(response);
  calls_.Add(call);
  v1::DetailRequest question;
  *question.mutable_output() = request->read();
  world_->details->Ask(request->node(), std::move(question), call);
  return call.get();
}

grpc::ServerBidiReactor<v1::SessionRequest, v1::SessionResponse>* NodeServiceImpl::Session(
    grpc::CallbackServerContext* context) {
  using Refused = Refusal<grpc::ServerBidiReactor<v1::SessionRequest, v1::SessionResponse>>;
  auto node = world_->gatekeeper->Admit(*context, "/procctl.v1.NodeService/Session");
  if (!node.ok()) return new Refused(node.status());
  if (going_down_.load()) return new Refused(GoingDown());
  return NodeSession::Start(world_, context, *std::move(node));
}

}  // namespace procctl::controller
