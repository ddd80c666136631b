// The controller, as the commands call it: blocking calls with a deadline, errors for people.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "cli/options.h"
#include "cli/render.h"
#include "procctl/v1/fleet_service.grpc.pb.h"
#include "proto/support/tls_files.h"

namespace procctl::cli {

using Deadline = std::chrono::steady_clock::time_point;
using Timeout = std::chrono::nanoseconds;

// `timeout` is for each call, so for each page. Every method may fail with the codes of
// fleet_service.proto. Where the connection itself failed, the message comes from a probe that
// found out why, never from gRPC. Not thread-safe.
class Client {
 public:
  // Reads the TLS files; connects with the first call.
  static absl::StatusOr<Client> Make(const Connection& connection);

  // All pages together. `with_usage`: the nodes are asked what their slots use, which takes up to
  // 2 s a page.
  absl::StatusOr<SlotList> ListSlots(const std::string& filter, Timeout timeout,
                                     bool with_usage = false);
  absl::StatusOr<NodeList> ListNodes(const std::string& filter, Timeout timeout);

  // Page by page, so that all events there ever were need not fit into memory.
  absl::Status ListEvents(v1::ListEventsRequest request, Timeout timeout,
                          const std::function<void(const v1::ListEventsResponse&)>& on_page);

  // All pages together, oldest first: for filters that match few.
  absl::StatusOr<std::vector<v1::StoredEvent>> CollectEvents(v1::ListEventsRequest request,
                                                             Timeout timeout);

  // NOT_FOUND if no such event is recorded. Events cannot be asked for by id: looks among the
  // newest of its node first, then through all of them.
  absl::StatusOr<v1::StoredEvent> FindEvent(const v1::EventId& id, Timeout timeout);

  absl::StatusOr<v1::GetFleetResponse> GetFleet(Timeout timeout);

  absl::StatusOr<v1::DescribeResponse> Describe(const std::string& node, int64_t generation,
                                                Timeout timeout);

  absl::StatusOr<v1::HoldSlotsResponse> Hold(const v1::HoldSlotsRequest& request, Timeout timeout);

  absl::StatusOr<ProgramList> ListPrograms(const std::string& filter, Timeout timeout);

  absl::StatusOr<v1::ControlProgramsResponse> ControlPrograms(
      const v1::ControlProgramsRequest& request, Timeout timeout);

  // CANCELLED once `stop` is requested.
  absl::StatusOr<v1::OutputChunk> ReadOutput(const v1::ReadOutputRequest& request, Timeout timeout,
                                             const std::stop_token& stop);

  // Until the stream ends, or `stop` is requested (then CANCELLED; the kill goes on).
  absl::Status Kill(const v1::KillSlotsRequest& request, Deadline deadline, std::stop_token stop,
                    const std::function<void(const v1::KillSlotsResponse&)>& on_message);

 private:
  Client(Connection connection, TlsPem tls);

  // `take` returns false to stop.
  grpc::Status EventPages(v1::ListEventsRequest request, Timeout timeout,
                          const std::function<bool(v1::ListEventsResponse)>& take);

  absl::Status Explain(const grpc::Status& status) const;

  Connection connection_;
  TlsPem tls_;
  std::unique_ptr<v1::FleetService::Stub> stub_;
};

}  // namespace procctl::cli
