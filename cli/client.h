// The controller, as the commands call it: blocking calls with a deadline, errors for people.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>

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

  // All pages together.
  absl::StatusOr<SlotList> ListSlots(const std::string& filter, Timeout timeout);
  absl::StatusOr<NodeList> ListNodes(const std::string& filter, Timeout timeout);

  // Page by page, so that all events there ever were need not fit into memory.
  absl::Status ListEvents(v1::ListEventsRequest request, Timeout timeout,
                          const std::function<void(const v1::ListEventsResponse&)>& on_page);

  absl::StatusOr<v1::GetFleetResponse> GetFleet(Timeout timeout);

  // Until the stream ends, or `stop` is requested (then CANCELLED; the kill goes on).
  absl::Status Kill(const v1::KillSlotsRequest& request, Deadline deadline, std::stop_token stop,
                    const std::function<void(const v1::KillSlotsResponse&)>& on_message);

 private:
  Client(Connection connection, TlsPem tls);

  absl::Status Explain(const grpc::Status& status) const;

  Connection connection_;
  TlsPem tls_;
  std::unique_ptr<v1::FleetService::Stub> stub_;
};

}  // namespace procctl::cli
