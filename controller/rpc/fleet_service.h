// FleetService: lists from memory, events from the reader threads, orders, details and output by
// their desks. And NodeService, whose one method only makes a session. Every handler begins with
// the gatekeeper.
#pragma once

#include <atomic>
#include <functional>
#include <string>
#include <string_view>

#include "controller/core/order_request.h"
#include "controller/rpc/fleet.h"
#include "controller/rpc/gatekeeper.h"
#include "controller/rpc/live_calls.h"
#include "controller/rpc/node_session.h"
#include "controller/rpc/plan_desk.h"
#include "controller/rpc/reader_threads.h"
#include "controller/rpc/watch_hub.h"
#include "procctl/v1/fleet_service.grpc.pb.h"
#include "procctl/v1/node_service.grpc.pb.h"

namespace procctl::controller {

// Raw, because their bytes are made once and sent as they are: pages of slots of packed rows, and
// what all watchers of a filter are sent.
using FleetServiceBase = v1::FleetService::WithRawCallbackMethod_ListSlots<
    v1::FleetService::WithRawCallbackMethod_Watch<v1::FleetService::CallbackService>>;

class FleetServiceImpl final : public FleetServiceBase {
 public:
  FleetServiceImpl(std::string fleet_name, const SessionWorld* world, ReaderThreads* readers,
                   WatchHub* watches, PlanDesk* plans);

  grpc::ServerUnaryReactor* GetFleet(grpc::CallbackServerContext* context,
                                     const v1::GetFleetRequest* request,
                                     v1::GetFleetResponse* response) override;
  grpc::ServerUnaryReactor* ListNodes(grpc::CallbackServerContext* context,
                                      const v1::ListNodesRequest* request,
                                      v1::ListNodesResponse* response) override;
  grpc::ServerUnaryReactor* ListSlots(grpc::CallbackServerContext* context,
                                      const grpc::ByteBuffer* request,
                                      grpc::ByteBuffer* response) override;
  grpc::ServerUnaryReactor* CountSlots(grpc::CallbackServerContext* context,
                                       const v1::CountSlotsRequest* request,
                                       v1::CountSlotsResponse* response) override;
  grpc::ServerUnaryReactor* ListEvents(grpc::CallbackServerContext* context,
                                       const v1::ListEventsRequest* request,
                                       v1::ListEventsResponse* response) override;
  grpc::ServerWriteReactor<v1::KillSlotsResponse>* KillSlots(
      grpc::CallbackServerContext* context, const v1::KillSlotsRequest* request) override;

  grpc::ServerUnaryReactor* PlanKill(grpc::CallbackServerContext* context,
                                     const v1::PlanKillRequest* request,
                                     v1::PlanKillResponse* response) override;
  grpc::ServerWriteReactor<v1::KillSlotsResponse>* ApplyKill(
      grpc::CallbackServerContext* context, const v1::ApplyKillRequest* request) override;
  grpc::ServerWriteReactor<v1::KillSlotsResponse>* WatchOrder(
      grpc::CallbackServerContext* context, const v1::WatchOrderRequest* request) override;
  grpc::ServerUnaryReactor* ListOrders(grpc::CallbackServerContext* context,
                                       const v1::ListOrdersRequest* request,
                                       v1::ListOrdersResponse* response) override;
  grpc::ServerUnaryReactor* SteerOrder(grpc::CallbackServerContext* context,
                                       const v1::SteerOrderRequest* request,
                                       v1::SteerOrderResponse* response) override;

  grpc::ServerUnaryReactor* Describe(grpc::CallbackServerContext* context,
                                     const v1::DescribeRequest* request,
                                     v1::DescribeResponse* response) override;
  grpc::ServerUnaryReactor* HoldSlots(grpc::CallbackServerContext* context,
                                      const v1::HoldSlotsRequest* request,
                                      v1::HoldSlotsResponse* response) override;

  grpc::ServerUnaryReactor* ListPrograms(grpc::CallbackServerContext* context,
                                         const v1::ListProgramsRequest* request,
                                         v1::ListProgramsResponse* response) override;
  grpc::ServerUnaryReactor* ControlPrograms(grpc::CallbackServerContext* context,
                                            const v1::ControlProgramsRequest* request,
                                            v1::ControlProgramsResponse* response) override;
  grpc::ServerUnaryReactor* ReadOutput(grpc::CallbackServerContext* context,
                                       const v1::ReadOutputRequest* request,
                                       v1::ReadOutputResponse* response) override;

  grpc::ServerUnaryReactor* ForgetNode(grpc::CallbackServerContext* context,
                                       const v1::ForgetNodeRequest* request,
                                       v1::ForgetNodeResponse* response) override;

  grpc::ServerWriteReactor<grpc::ByteBuffer>* Watch(grpc::CallbackServerContext* context,
                                                    const grpc::ByteBuffer* request) override;

  // Takes no more calls that others have to work for.
  void StopOrders() { going_down_.store(true); }
  // Ends those under way.
  void DrainCalls() { calls_.Drain(); }

 private:
  // Who calls `method`, if its role suffices.
  absl::StatusOr<Identity> Admit(const grpc::CallbackServerContext& context,
                                 std::string_view method) const;
  // The same for a call that others have to work for: `checked` is what is wrong with the request,
  // told only to who may call; nothing is begun while the controller goes down.
  absl::StatusOr<Identity> AdmitWork(const grpc::CallbackServerContext& context,
                                     std::string_view method, const absl::Status& checked) const;
  // UNAVAILABLE for what ends processes, while it cannot be recorded and the configuration says
  // that it is refused then.
  absl::Status MayStop() const;
  // The same as Admit for a list, which needs memory.
  absl::StatusOr<Identity> AdmitList(const grpc::CallbackServerContext& context,
                                     std::string_view method) const;
  // Ends the call with what `read` says of it, in one of the threads for work that takes time.
  grpc::ServerUnaryReactor* Read(grpc::CallbackServerContext* context, std::string_view what,
                                 std::function<absl::Status()> read);
  // An order each of whose targets ends in one answer.
  template <typename Response>
  grpc::ServerUnaryReactor* TakeOrder(grpc::CallbackServerContext* context, std::string_view method,
                                      absl::StatusOr<OrderRequest> order, Response* response);

  const std::string fleet_name_;
  const SessionWorld* const world_;
  ReaderThreads* const readers_;
  WatchHub* const watches_;
  PlanDesk* const plans_;
  const WallTime started_at_;
  std::atomic<bool> going_down_{false};
  std::atomic<int> usage_calls_{0};
  LiveCalls calls_;
};

class NodeServiceImpl final : public v1::NodeService::CallbackService {
 public:
  explicit NodeServiceImpl(const SessionWorld* world) : world_(world) {}

  grpc::ServerBidiReactor<v1::SessionRequest, v1::SessionResponse>* Session(
      grpc::CallbackServerContext* context) override;

  // Takes no more sessions.
  void StopSessions() { going_down_.store(true); }

 private:
  const SessionWorld* const world_;
  std::atomic<bool> going_down_{false};
};

}  // namespace procctl::controller
