// FleetService: plans, and the course of orders.
#include <utility>

#include "controller/rpc/ended_call.h"
#include "controller/rpc/fleet_messages.h"
#include "controller/rpc/fleet_service.h"
#include "controller/rpc/kill_stream.h"
#include "controller/rpc/pages_orders.h"
#include "controller/rpc/unary_call.h"
#include "spdlog/fmt/fmt.h"

namespace procctl::controller {
namespace {

using StreamRefusal = Refusal<grpc::ServerWriteReactor<v1::KillSlotsResponse>>;

absl::Status CheckSteering(const v1::SteerOrderRequest& request) {
  if (request.action() != v1::ORDER_ACTION_PAUSE && request.action() != v1::ORDER_ACTION_RESUME &&
      request.action() != v1::ORDER_ACTION_CANCEL) {
    return absl::InvalidArgumentError(
        fmt::format("action {} is none; it must be PAUSE, RESUME or CANCEL",
                    static_cast<int>(request.action())));
  }
  if (request.reason().size() > kMostReasonBytes) {
    return absl::InvalidArgumentError(fmt::format("reason of {} bytes; at most {} are kept",
                                                  request.reason().size(), kMostReasonBytes));
  }
  if (!request.all()) return CheckRequestId(request.request_id());
  if (!request.request_id().empty()) {
    return absl::InvalidArgumentError("request_id and all do not go together; send one of them");
  }
  if (request.action() == v1::ORDER_ACTION_RESUME) {
    return absl::InvalidArgumentError(
        "all orders can be paused or cancelled; resume each by its request_id");
  }
  return absl::OkStatus();
}

absl::Status TooManyReaders() {
  return absl::UnavailableError("too many lists and plans at a time; try again");
}

}  // namespace

grpc::ServerUnaryReactor* FleetServiceImpl::PlanKill(grpc::CallbackServerContext* context,
                                                     const v1::PlanKillRequest* request,
                                                     v1::PlanKillResponse* response) {
  const auto caller = AdmitWork(*context, "PlanKill", absl::OkStatus());
  if (!caller.ok()) return Answer(context, caller.status());
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  // Request, response and reactor live until Finish.
  const bool submitted = readers_->Submit([this, reactor, request, response, who = *caller] {
    auto plan = plans_->Plan(*request, who);
    const absl::Status planned = plan.status();
    if (planned.ok()) *response = *std::move(plan);
    reactor->Finish(ToGrpc(planned));
  });
  if (!submitted) reactor->Finish(ToGrpc(TooManyReaders()));
  return reactor;
}

grpc::ServerWriteReactor<v1::KillSlotsResponse>* FleetServiceImpl::ApplyKill(
    grpc::CallbackServerContext* context, const v1::ApplyKillRequest* request) {
  const auto caller = AdmitWork(*context, "ApplyKill", CheckRequestId(request->request_id()));
  if (!caller.ok()) return new StreamRefusal(caller.status());
  if (absl::Status may = MayStop(); !may.ok()) return new StreamRefusal(may);
  PlanDesk::Order order = plans_->Apply(*request, *caller);
  std::shared_ptr<KillStream> stream =
      KillStream::Make(request->request_id(), /*with_status=*/true);
  calls_.Add(stream);
  world_->kills->Start(std::move(order.request), stream, std::move(order.if_new));
  return stream.get();
}

grpc::ServerWriteReactor<v1::KillSlotsResponse>* FleetServiceImpl::WatchOrder(
    grpc::CallbackServerContext* context, const v1::WatchOrderRequest* request) {
  const auto caller = AdmitWork(*context, "WatchOrder", CheckRequestId(request->request_id()));
  if (!caller.ok()) return new StreamRefusal(caller.status());
  std::shared_ptr<KillStream> stream =
      KillStream::Make(request->request_id(), /*with_status=*/true);
  calls_.Add(stream);
  world_->kills->Watch(request->request_id(), stream);
  return stream.get();
}

grpc::ServerUnaryReactor* FleetServiceImpl::ListOrders(grpc::CallbackServerContext* context,
                                                       const v1::ListOrdersRequest* request,
                                                       v1::ListOrdersResponse* response) {
  const auto caller = Admit(*context, "ListOrders");
  if (!caller.ok()) return Answer(context, caller.status());
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  // Request, response and reactor live until Finish.
  const bool submitted = readers_->Submit([this, reactor, request, response] {
    reactor->Finish(
        ToGrpc(FillPage(world_->kills, &world_->engine->history(), *request, response)));
  });
  if (!submitted) reactor->Finish(ToGrpc(TooManyReaders()));
  return reactor;
}

grpc::ServerUnaryReactor* FleetServiceImpl::SteerOrder(grpc::CallbackServerContext* context,
                                                       const v1::SteerOrderRequest* request,
                                                       v1::SteerOrderResponse* response) {
  const auto caller = AdmitWork(*context, "SteerOrder", CheckSteering(*request));
  if (!caller.ok()) return Answer(context, caller.status());
  const auto call = std::make_shared<UnaryCall<v1::SteerOrderResponse>>(response);
  UnaryCall<v1::SteerOrderResponse>::Keep(call);
  calls_.Add(call);
  world_->kills->Steer(
      {request->request_id(), request->action(), caller->ToString(), request->reason()},
      [call](absl::StatusOr<std::vector<OrderStanding>> orders) {
        if (!orders.ok()) return call->Fail(orders.status());
        v1::SteerOrderResponse answer;
        for (const OrderStanding& order : *orders) {
          ToMessage(order, answer.add_orders());
        }
        call->Succeed(std::move(answer));
      });
  return call.get();
}

}  // namespace procctl::controller
