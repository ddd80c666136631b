// FleetService: lists from memory, events from the reader threads, orders, details and output by
// their desks. And NodeService, whose one method only makes a session. Every handler begins with
// the gatekeeper.
#pragma once

#include <atomic>
#include <string>
#include <string_view>

#include "controller/core/order_request.h"
#include "controller/rpc/fleet.h"
#include "controller/rpc/gatekeeper.h"
#include "controller/rpc/live_calls.h"
#include "controller/rpc/node_session.h"
#include "controller/rpc/reader_threads.h"
#include "procctl/v1/fleet_service.grpc.pb.h"
#include "procctl/v1/node_service.grpc.pb.h"

namespace procctl::controller {

class FleetServiceImpl final : public v1::FleetService::CallbackService {
 public:
  FleetServiceImpl(std::string fleet_name, const SessionWorld* world, ReaderThreads* readers);

  grpc::ServerUnaryReactor* GetFleet(grpc::CallbackServerContext* context,
                                     const v1::GetFleetRequest* request,
                                     v1::GetFleetResponse* response) override;
  grpc::ServerUnaryReactor* ListNodes(grpc::CallbackServerContext* context,
                                      const v1::ListNodesRequest* request,
                                      v1::ListNodesResponse* response) override;
  grpc::ServerUnaryReactor* ListSlots(grpc::CallbackServerContext* context,
                                      const v1::ListSlotsRequest* request,
                                      v1::ListSlotsResponse* response) override;
  grpc::ServerUnaryReactor* ListEvents(grpc::CallbackServerContext* context,
                                       const v1::ListEventsRequest* request,
                                       v1::ListEventsResponse* response) override;
  grpc::ServerWriteReactor<v1::KillSlotsResponse>* KillSlots(
      grpc::CallbackServerContext* context, const v1::KillSlotsRequest* request) override;

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
  // The same for a list, which needs memory.
  absl::StatusOr<Identity> AdmitList(const grpc::CallbackServerContext& context,
                                     std::string_view method) const;
  // A page of rows, with what they use where that is asked for.
  template <typename Request, typename Page>
  grpc::ServerUnaryReactor* ListRows(grpc::CallbackServerContext* context, std::string_view method,
                                     const Request& request, Page* response);
  // An order each of whose targets ends in one answer.
  template <typename Response>
  grpc::ServerUnaryReactor* TakeOrder(grpc::CallbackServerContext* context, std::string_view method,
                                      absl::StatusOr<OrderRequest> order, Response* response);

  const std::string fleet_name_;
  const SessionWorld* const world_;
  ReaderThreads* const readers_;
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
