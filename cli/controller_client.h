// A controller as the Client that the commands ask.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "cli/client.h"
#include "procctl/v1/fleet_service.grpc.pb.h"
#include "proto/support/tls_files.h"

namespace procctl::cli {

// Where the connection itself failed, the message comes from a probe that found out why, never from
// gRPC.
class ControllerClient final : public Client {
 public:
  // Reads the TLS files; connects with the first call.
  static absl::StatusOr<std::unique_ptr<Client>> Make(const Connection& connection);

  bool HasHistory() const override { return true; }
  absl::StatusOr<SlotList> ListSlots(const std::string& filter, Timeout timeout,
                                     bool with_usage) override;
  absl::StatusOr<NodeList> ListNodes(const std::string& filter, Timeout timeout) override;
  absl::Status ListEvents(
      v1::ListEventsRequest request, Timeout timeout,
      const std::function<void(const v1::ListEventsResponse&)>& on_page) override;
  absl::StatusOr<v1::StoredEvent> FindEvent(const v1::EventId& id, Timeout timeout) override;
  absl::StatusOr<v1::CountSlotsResponse> CountSlots(const v1::CountSlotsRequest& request,
                                                    Timeout timeout) override;
  absl::StatusOr<v1::GetFleetResponse> GetFleet(Timeout timeout) override;
  absl::StatusOr<v1::DescribeResponse> Describe(const std::string& node, int64_t generation,
                                                Timeout timeout) override;
  absl::StatusOr<v1::HoldSlotsResponse> Hold(const v1::HoldSlotsRequest& request,
                                             Timeout timeout) override;
  absl::StatusOr<ProgramList> ListPrograms(const std::string& filter, Timeout timeout,
                                           bool with_usage) override;
  absl::StatusOr<v1::ControlProgramsResponse> ControlPrograms(
      const v1::ControlProgramsRequest& request, Timeout timeout) override;
  absl::Status ForgetNode(const v1::ForgetNodeRequest& request, Timeout timeout) override;
  absl::StatusOr<v1::OutputChunk> ReadOutput(const v1::ReadOutputRequest& request, Timeout timeout,
                                             const std::stop_token& stop) override;
  absl::Status Watch(const v1::WatchRequest& request, const std::stop_token& stop,
                     const std::function<bool(const v1::WatchResponse&)>& on_message) override;
  absl::Status Kill(const v1::KillSlotsRequest& request, Deadline deadline, std::stop_token stop,
                    const std::function<void(const v1::KillSlotsResponse&)>& on_message) override;

  absl::StatusOr<v1::PlanKillResponse> PlanKill(const v1::PlanKillRequest& request,
                                                Timeout timeout) override;
  absl::Status ApplyKill(const v1::ApplyKillRequest& request, Deadline deadline,
                         std::stop_token stop, const OnKillMessage& on_message) override;
  absl::Status WatchOrder(const std::string& request_id, Deadline deadline, std::stop_token stop,
                          const OnKillMessage& on_message) override;
  absl::StatusOr<std::vector<v1::OrderStatus>> ListOrders(bool only_running, size_t newest,
                                                          Timeout timeout) override;
  absl::StatusOr<v1::SteerOrderResponse> SteerOrder(const v1::SteerOrderRequest& request,
                                                    Timeout timeout) override;

 private:
  // `begin` opens the stream.
  template <typename Begin>
  absl::Status FollowStream(Deadline deadline, const std::stop_token& stop,
                            const OnKillMessage& on_message, Begin begin);

  ControllerClient(Connection connection, TlsPem tls);

  // `take` returns false to stop.
  grpc::Status EventPages(v1::ListEventsRequest request, Timeout timeout,
                          const std::function<bool(v1::ListEventsResponse)>& take);

  absl::Status Explain(const grpc::Status& status) const;

  Connection connection_;
  TlsPem tls_;
  std::unique_ptr<v1::FleetService::Stub> stub_;
};

}  // namespace procctl::cli
