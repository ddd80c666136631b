#include "controller/rpc/fleet_service.h"

#include <utility>

#include "controller/rpc/clocks.h"
#include "controller/rpc/describe_call.h"
#include "controller/rpc/ended_call.h"
#include "controller/rpc/fleet_messages.h"
#include "controller/rpc/forget_call.h"
#include "controller/rpc/kill_stream.h"
#include "controller/rpc/list_usage_call.h"
#include "controller/rpc/outcome_call.h"
#include "controller/rpc/pages.h"
#include "controller/rpc/raw_message.h"
#include "controller/rpc/read_output_call.h"
#include "proto/support/status.h"
#include "proto/support/time_convert.h"
#include "proto/support/version.h"
#include "spdlog/fmt/fmt.h"

namespace procctl::controller {
namespace {

absl::Status GoingDown() {
  return absl::UnavailableError("the controller is going down; try again");
}

}  // namespace

FleetServiceImpl::FleetServiceImpl(std::string fleet_name, const SessionWorld* world,
                                   ReaderThreads* readers, WatchHub* watches, PlanDesk* plans)
    : fleet_name_(std::move(fleet_name)),
      world_(world),
      readers_(readers),
      watches_(watches),
      plans_(plans),
      started_at_(WallNow()) {}

absl::StatusOr<Identity> FleetServiceImpl::Admit(const grpc::CallbackServerContext& context,
                                                 std::string_view method) const {
  return world_->gatekeeper->Admit(context, fmt::format("/procctl.v1.FleetService/{}", method));
}

absl::StatusOr<Identity> FleetServiceImpl::AdmitWork(const grpc::CallbackServerContext& context,
                                                     std::string_view method,
                                                     const absl::Status& checked) const {
  auto caller = Admit(context, method);
  if (!caller.ok()) return caller;
  if (!checked.ok()) return checked;
  if (going_down_.load()) return GoingDown();
  return caller;
}

absl::Status FleetServiceImpl::MayStop() const {
  if (world_->orders_without_disk || world_->engine->disk().kind == DiskState::Kind::kOk) {
    return absl::OkStatus();
  }
  return absl::UnavailableError(
      "the controller's disk takes nothing, and limits.orders_without_disk says refuse: nobody is "
      "signalled. Free its disk, or stop the process on its host with procctl-cli --local kill");
}

absl::StatusOr<Identity> FleetServiceImpl::AdmitList(const grpc::CallbackServerContext& context,
                                                     std::string_view method) const {
  auto caller = Admit(context, method);
  if (!caller.ok()) return caller;
  if (absl::Status may_begin = world_->admission->Check(); !may_begin.ok()) return may_begin;
  return caller;
}

grpc::ServerUnaryReactor* FleetServiceImpl::GetFleet(grpc::CallbackServerContext* context,
                                                     const v1::GetFleetRequest*,
                                                     v1::GetFleetResponse* response) {
  const auto caller = Admit(*context, "GetFleet");
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
  const auto caller = AdmitList(*context, "ListNodes");
  return Answer(context,
                caller.ok() ? FillPage(*world_->fleet, *request, response) : caller.status());
}

grpc::ServerUnaryReactor* FleetServiceImpl::ListSlots(grpc::CallbackServerContext* context,
                                                      const grpc::ByteBuffer* raw,
                                                      grpc::ByteBuffer* response) {
  const auto caller = AdmitList(*context, "ListSlots");
  if (!caller.ok()) return Answer(context, caller.status());
  v1::ListSlotsRequest request;
  if (!ReadRaw(*raw, &request)) {
    return Answer(context, absl::InvalidArgumentError("this is no ListSlotsRequest"));
  }
  if (!NeedsUsage(request)) {
    std::string wire;
    const absl::Status filled = FillPage(*world_->fleet, request, &wire);
    if (filled.ok()) *response = BufferOf(std::move(wire));
    return Answer(context, filled);
  }
  if (going_down_.load()) return Answer(context, GoingDown());
  UsagePage page;
  if (absl::Status filled = FillPage(*world_->fleet, request, &page); !filled.ok())
    return Answer(context, filled);
  const bool filtered = page.judge != nullptr;
  const auto call = ListUsageCall<v1::ListSlotsResponse>::TryMake(&page.page, response,
                                                                  &usage_calls_, page.judge);
  if (call == nullptr) {
    // Beyond the most at a time a list is worth more than a refusal: it comes as it is. Not so
    // where the usage decides what is in it.
    if (filtered) {
      return Answer(context,
                    absl::UnavailableError("too many lists by cpu or memory at a time; try again"));
    }
    *response = BufferOf(page.page.SerializeAsString());
    return Answer(context, absl::OkStatus());
  }
  calls_.Add(call);
  ListUsageCall<v1::ListSlotsResponse>::Ask(call, world_->details);
  return call.get();
}

grpc::ServerUnaryReactor* FleetServiceImpl::Read(grpc::CallbackServerContext* context,
                                                 std::string_view what,
                                                 std::function<absl::Status()> read) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  // Request, response and reactor live until Finish.
  const bool submitted =
      readers_->Submit([reactor, read = std::move(read)] { reactor->Finish(ToGrpc(read())); });
  if (!submitted) {
    reactor->Finish(
        ToGrpc(absl::UnavailableError(fmt::format("too many {} at a time; try again", what))));
  }
  return reactor;
}

grpc::ServerUnaryReactor* FleetServiceImpl::CountSlots(grpc::CallbackServerContext* context,
                                                       const v1::CountSlotsRequest* request,
                                                       v1::CountSlotsResponse* response) {
  const auto caller = Admit(*context, "CountSlots");
  if (!caller.ok()) return Answer(context, caller.status());
  return Read(context, "counts",
              [this, request, response] { return FillCounts(*world_->fleet, *request, response); });
}

grpc::ServerUnaryReactor* FleetServiceImpl::ListEvents(grpc::CallbackServerContext* context,
                                                       const v1::ListEventsRequest* request,
                                                       v1::ListEventsResponse* response) {
  const auto caller = AdmitList(*context, "ListEvents");
  if (!caller.ok()) return Answer(context, caller.status());
  return Read(context, "lists of events", [this, request, response] {
    return FillPage(&world_->engine->history(), *request, response);
  });
}

grpc::ServerWriteReactor<v1::KillSlotsResponse>* FleetServiceImpl::KillSlots(
    grpc::CallbackServerContext* context, const v1::KillSlotsRequest* request) {
  using Refused = Refusal<grpc::ServerWriteReactor<v1::KillSlotsResponse>>;
  OrderRequest kill = FromMessage(*request);
  const auto caller = AdmitWork(*context, "KillSlots", CheckOrderRequest(kill));
  if (!caller.ok()) return new Refused(caller.status());
  if (absl::Status may = MayStop(); !may.ok()) return new Refused(may);
  kill.issuer = caller->ToString();
  std::shared_ptr<KillStream> stream = KillStream::Make(kill.id, /*with_status=*/false);
  calls_.Add(stream);
  world_->kills->Start(std::move(kill), stream);
  return stream.get();
}

grpc::ServerUnaryReactor* FleetServiceImpl::Describe(grpc::CallbackServerContext* context,
                                                     const v1::DescribeRequest* request,
                                                     v1::DescribeResponse* response) {
  const auto caller = AdmitWork(*context, "Describe", CheckDescribe(*request));
  if (!caller.ok()) return Answer(context, caller.status());
  const auto call = DescribeCall::Make(world_->fleet, request->node(), response);
  calls_.Add(call);
  v1::DetailRequest question;
  question.set_generation(request->generation());
  world_->details->Ask(request->node(), std::move(question), call);
  return call.get();
}

template <typename Response>
grpc::ServerUnaryReactor* FleetServiceImpl::TakeOrder(grpc::CallbackServerContext* context,
                                                      std::string_view method,
                                                      absl::StatusOr<OrderRequest> order,
                                                      Response* response) {
  const auto caller =
      AdmitWork(*context, method, order.ok() ? CheckOrderRequest(*order) : order.status());
  if (!caller.ok()) return Answer(context, caller.status());
  if (absl::Status may = EndsALife(order->act) ? MayStop() : absl::OkStatus(); !may.ok()) {
    return Answer(context, may);
  }
  order->issuer = caller->ToString();
  const auto call = OutcomeCall<Response>::Make(response);
  calls_.Add(call);
  world_->answers->Start(*std::move(order), call);
  return call.get();
}

grpc::ServerUnaryReactor* FleetServiceImpl::HoldSlots(grpc::CallbackServerContext* context,
                                                      const v1::HoldSlotsRequest* request,
                                                      v1::HoldSlotsResponse* response) {
  return TakeOrder(context, "HoldSlots", FromMessage(*request), response);
}

grpc::ServerUnaryReactor* FleetServiceImpl::ListPrograms(grpc::CallbackServerContext* context,
                                                         const v1::ListProgramsRequest* request,
                                                         v1::ListProgramsResponse* response) {
  const auto caller = Admit(*context, "ListPrograms");
  if (!caller.ok()) return Answer(context, caller.status());
  if (!request->with_usage()) return Answer(context, FillPage(*world_->fleet, *request, response));
  if (going_down_.load()) return Answer(context, GoingDown());
  v1::ListProgramsResponse page;
  if (absl::Status filled = FillPage(*world_->fleet, *request, &page); !filled.ok())
    return Answer(context, filled);
  const auto call =
      ListUsageCall<v1::ListProgramsResponse>::TryMake(&page, response, &usage_calls_, nullptr);
  if (call == nullptr) {
    *response = std::move(page);
    return Answer(context, absl::OkStatus());
  }
  calls_.Add(call);
  ListUsageCall<v1::ListProgramsResponse>::Ask(call, world_->details);
  return call.get();
}

grpc::ServerUnaryReactor* FleetServiceImpl::ControlPrograms(
    grpc::CallbackServerContext* context, const v1::ControlProgramsRequest* request,
    v1::ControlProgramsResponse* response) {
  return TakeOrder(context, "ControlPrograms", FromMessage(*request), response);
}

grpc::ServerUnaryReactor* FleetServiceImpl::ReadOutput(grpc::CallbackServerContext* context,
                                                       const v1::ReadOutputRequest* request,
                                                       v1::ReadOutputResponse* response) {
  const auto caller = AdmitWork(*context, "ReadOutput", CheckReadOutput(*request));
  if (!caller.ok()) return Answer(context, caller.status());
  const auto call = ReadOutputCall::Make(response);
  calls_.Add(call);
  v1::DetailRequest question;
  *question.mutable_output() = request->read();
  world_->details->Ask(request->node(), std::move(question), call);
  return call.get();
}

grpc::ServerUnaryReactor* FleetServiceImpl::ForgetNode(grpc::CallbackServerContext* context,
                                                       const v1::ForgetNodeRequest* request,
                                                       v1::ForgetNodeResponse* response) {
  const auto caller = AdmitWork(*context, "ForgetNode", CheckForget(*request));
  if (!caller.ok()) return Answer(context, caller.status());
  const auto call = ForgetCall::Make(response);
  calls_.Add(call);
  ForgetCall::Begin(call, *request, caller->ToString(), world_->fleet, world_->engine);
  return call.get();
}

grpc::ServerWriteReactor<grpc::ByteBuffer>* FleetServiceImpl::Watch(
    grpc::CallbackServerContext* context, const grpc::ByteBuffer* request) {
  using Refused = Refusal<grpc::ServerWriteReactor<grpc::ByteBuffer>>;
  auto order = ReadWatchRequest(*request);
  const auto caller = AdmitWork(*context, "Watch", order.status());
  if (!caller.ok()) return new Refused(caller.status());
  if (absl::Status may = world_->admission->Check(); !may.ok()) return new Refused(may);
  const auto stream = watches_->Make(context, *std::move(order));
  if (!stream.ok()) return new Refused(stream.status());
  calls_.Add(*stream);
  return stream->get();
}

grpc::ServerBidiReactor<v1::SessionRequest, v1::SessionResponse>* NodeServiceImpl::Session(
    grpc::CallbackServerContext* context) {
  using Refused = Refusal<grpc::ServerBidiReactor<v1::SessionRequest, v1::SessionResponse>>;
  auto node = world_->gatekeeper->Admit(*context, "/procctl.v1.NodeService/Session");
  if (!node.ok()) return new Refused(node.status());
  if (going_down_.load()) return new Refused(GoingDown());
  if (absl::Status may_begin = world_->admission->Check(); !may_begin.ok()) {
    return new Refused(may_begin);
  }
  return NodeSession::Start(world_, context, *std::move(node));
}

}  // namespace procctl::controller
