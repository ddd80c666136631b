// Whoever the commands ask, a controller or this host's own node: blocking calls with a deadline,
// errors for people.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <stop_token>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "cli/options.h"
#include "cli/render.h"
#include "procctl/v1/fleet_service.pb.h"

namespace procctl::cli {

using Deadline = std::chrono::steady_clock::time_point;
using Timeout = std::chrono::nanoseconds;

// `timeout` is for each call, so for each page. Every method may fail with the codes of
// fleet_service.proto. Not thread-safe.
using OnKillMessage = std::function<void(const v1::KillSlotsResponse&)>;

class Client {
 public:
  virtual ~Client() = default;

  // False: it knows what is, and nothing of what was. What asks for events is then UNIMPLEMENTED.
  virtual bool HasHistory() const = 0;

  // All pages together. `with_usage`: the nodes are asked what their slots use, which takes up to
  // 2 s a page.
  virtual absl::StatusOr<SlotList> ListSlots(const std::string& filter, Timeout timeout,
                                             bool with_usage) = 0;
  virtual absl::StatusOr<NodeList> ListNodes(const std::string& filter, Timeout timeout) = 0;

  virtual absl::StatusOr<v1::CountSlotsResponse> CountSlots(const v1::CountSlotsRequest& request,
                                                            Timeout timeout) = 0;

  // Page by page, so that all events there ever were need not fit into memory.
  virtual absl::Status ListEvents(
      v1::ListEventsRequest request, Timeout timeout,
      const std::function<void(const v1::ListEventsResponse&)>& on_page) = 0;

  // All pages together, oldest first: for filters that match few.
  absl::StatusOr<std::vector<v1::StoredEvent>> CollectEvents(v1::ListEventsRequest request,
                                                             Timeout timeout);

  // NOT_FOUND if no such event is recorded. Events cannot be asked for by id: looks among the
  // newest of its node first, then through all of them.
  virtual absl::StatusOr<v1::StoredEvent> FindEvent(const v1::EventId& id, Timeout timeout) = 0;

  virtual absl::StatusOr<v1::GetFleetResponse> GetFleet(Timeout timeout) = 0;

  virtual absl::StatusOr<v1::DescribeResponse> Describe(const std::string& node, int64_t generation,
                                                        Timeout timeout) = 0;

  virtual absl::StatusOr<v1::HoldSlotsResponse> Hold(const v1::HoldSlotsRequest& request,
                                                     Timeout timeout) = 0;

  // `with_usage`: as for ListSlots.
  virtual absl::StatusOr<ProgramList> ListPrograms(const std::string& filter, Timeout timeout,
                                                   bool with_usage) = 0;

  virtual absl::StatusOr<v1::ControlProgramsResponse> ControlPrograms(
      const v1::ControlProgramsRequest& request, Timeout timeout) = 0;

  virtual absl::Status ForgetNode(const v1::ForgetNodeRequest& request, Timeout timeout) = 0;

  // CANCELLED once `stop` is requested.
  virtual absl::StatusOr<v1::OutputChunk> ReadOutput(const v1::ReadOutputRequest& request,
                                                     Timeout timeout,
                                                     const std::stop_token& stop) = 0;

  // Until the stream ends, or `stop` is requested (then CANCELLED; the kill goes on).
  virtual absl::Status Kill(
      const v1::KillSlotsRequest& request, Deadline deadline, std::stop_token stop,
      const std::function<void(const v1::KillSlotsResponse&)>& on_message) = 0;

  // Plans and orders; UNIMPLEMENTED of whoever has none: a node of its own.
  virtual absl::StatusOr<v1::PlanKillResponse> PlanKill(const v1::PlanKillRequest& request,
                                                        Timeout timeout);
  // Both as Kill is.
  virtual absl::Status ApplyKill(const v1::ApplyKillRequest& request, Deadline deadline,
                                 std::stop_token stop, const OnKillMessage& on_message);
  virtual absl::Status WatchOrder(const std::string& request_id, Deadline deadline,
                                  std::stop_token stop, const OnKillMessage& on_message);
  // The newest so many.
  virtual absl::StatusOr<std::vector<v1::OrderStatus>> ListOrders(bool only_running, size_t newest,
                                                                  Timeout timeout);
  virtual absl::StatusOr<v1::SteerOrderResponse> SteerOrder(const v1::SteerOrderRequest& request,
                                                            Timeout timeout);

  // Calls `on_message` for each message until the stream ends, it returns false (then OK), or
  // `stop` is requested (then CANCELLED). Without a deadline.
  virtual absl::Status Watch(const v1::WatchRequest& request, const std::stop_token& stop,
                             const std::function<bool(const v1::WatchResponse&)>& on_message) = 0;
};

}  // namespace procctl::cli
