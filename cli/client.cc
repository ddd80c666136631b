#include "cli/client.h"

#include <utility>

namespace procctl::cli {
namespace {

absl::Status NoOrders() {
  return absl::UnimplementedError(
      "plans and orders are a controller's: leave out --local and name that (--controller)");
}

}  // namespace

absl::StatusOr<v1::PlanKillResponse> Client::PlanKill(const v1::PlanKillRequest&, Timeout) {
  return NoOrders();
}

absl::Status Client::ApplyKill(const v1::ApplyKillRequest&, Deadline, std::stop_token,
                               const OnKillMessage&) {
  return NoOrders();
}

absl::Status Client::WatchOrder(const std::string&, Deadline, std::stop_token,
                                const OnKillMessage&) {
  return NoOrders();
}

absl::StatusOr<std::vector<v1::OrderStatus>> Client::ListOrders(bool, size_t, Timeout) {
  return NoOrders();
}

absl::StatusOr<v1::SteerOrderResponse> Client::SteerOrder(const v1::SteerOrderRequest&, Timeout) {
  return NoOrders();
}

absl::StatusOr<std::vector<v1::StoredEvent>> Client::CollectEvents(v1::ListEventsRequest request,
                                                                   Timeout timeout) {
  std::vector<v1::StoredEvent> events;
  const absl::Status status =
      ListEvents(std::move(request), timeout, [&](const v1::ListEventsResponse& page) {
        events.insert(events.end(), page.events().begin(), page.events().end());
      });
  if (!status.ok()) return status;
  return events;
}

}  // namespace procctl::cli
