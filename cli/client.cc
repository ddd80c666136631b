#include "cli/client.h"

#include <utility>

namespace procctl::cli {

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
