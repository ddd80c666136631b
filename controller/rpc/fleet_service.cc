#include "controller/rpc/fleet_service.h"

#include <utility>

#include "controller/rpc/clocks.h"
#include "controller/rpc/describe_call.h"
#include "controller/rpc/fleet_messages.h"
#include "controller/rpc/kill_stream.h"
#include "controller/rpc/list_usage_call.h"
#include "controller/rpc/outcome_call.h"
#include "controller/rpc/pages.h"
#include "controller/rpc/read_output_call.h"
#include "proto/support/status.h"
#include "proto/support/time_convert.h"
#include "proto/support/version.h"
#include "spdlog/fmt/fmt.h"

namespace procctl::controller {
namespace {

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

}  // namespace

FleetServiceImpl::FleetServiceImpl(std::string fleet_name, const SessionWorld* world,
                                   ReaderThreads* readers)
    : fleet_name_(std::move(fleet_name)),
      world_(world),
      readers_(readers),
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

template <typename Request, typename Page>
grpc::ServerUnaryReactor* FleetServiceImpl::ListRows(grpc::CallbackServerContext* context,
                                                     std::string_view method,
                                                     const Request& request, Page* response) {
  const auto caller = AdmitList(*context, method);
  if (!caller.ok()) return Answer(context, caller.status());
  if (!request.with_usage()) return Answer(context, FillPage(*world_->fleet, request, response));
  if (going_down_.load()) return Answer(context, GoingDown());
  Page page;
  if (absl::Status filled = FillPage(*world_->fleet, request, &page); !filled.ok())
    return Answer(context, filled);
  // Beyond the most at a time a list is worth more than a refusal: it comes as it is.
  const auto call = ListUsageCall<Page>::TryMake(std::move(page), response, &usage_calls_);
  if (call == nullptr) return Answer(context, absl::OkStatus());
  calls_.Add(call);
  ListUsageCall<Page>::Ask(call, world_->details);
  return call.get();
}

grpc::ServerUnaryReactor* FleetServiceImpl::ListSlots(grpc::CallbackServerContext* context,
                                                      const v1::ListSlotsRequest* request,
                                                      v1::ListSlotsResponse* response) {
  return ListRows(context, "ListSlots", *request, response);
}

grpc::ServerUnaryReactor* FleetServiceImpl::ListEvents(grpc::CallbackServerContext* context,
                                                       const v1::ListEventsRequest* request,
                                                       v1::ListEventsResponse* response) {
  const auto caller = AdmitList(*context, "ListEvents");
  if (!caller.ok()) return Answer(context, caller.status());
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  // Request, response and reactor live until Finish.
  const bool submitted = readers_->Submit([this, reactor, request, response] {
    reactor->Finish(ToGrpc(FillPage(&world_->engine->history(), *request, response)));
  });
  if (!submitted) {
    reactor->Finish(
        ToGrpc(absl::UnavailableError("too many lists of events at a time; try again")));
  }
  return reactor;
}

grpc::ServerWriteReactor<v1::KillSlotsResponse>* FleetServiceImpl::KillSlots(
    grpc::CallbackServerContext* context, const v1::KillSlotsRequest* request) {
  using Refused = Refusal<grpc::ServerWriteReactor<v1::KillSlotsResponse>>;
  OrderRequest kill = FromMessage(*request);
  const auto caller = AdmitWork(*context, "KillSlots", CheckOrderRequest(kill));
  if (!caller.ok()) return new Refused(caller.status());
  kill.issuer = caller->ToString();
  std::shared_ptr<KillStream> stream = KillStream::Make(kill.id, kill.targets.size());
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
  return ListRows(context, "ListPrograms", *request, response);
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
