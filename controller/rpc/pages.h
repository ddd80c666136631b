// One page of each list: what a request asks for, checked, and the rows that it gets.
//
// Each fails with INVALID_ARGUMENT that says which part of the request is wrong, and what would be
// right. Thread-safe. All but events come from memory; a page of events blocks on the disk.
#pragma once

#include <functional>
#include <string>

#include "absl/status/status.h"
#include "controller/rpc/fleet.h"
#include "controller/store/history.h"
#include "procctl/v1/fleet_service.pb.h"

namespace procctl::controller {

absl::Status FillPage(const Fleet& fleet, const v1::ListNodesRequest& request,
                      v1::ListNodesResponse* response);
// The serialised v1::ListSlotsResponse: its rows go from the view to the wire as they are packed.
// Short, or empty with a token, where a rare filter has looked at enough rows for one call. Not for
// requests with usage.
absl::Status FillPage(const Fleet& fleet, const v1::ListSlotsRequest& request, std::string* wire);

// A page whose rows' usage is to be asked.
struct UsagePage {
  v1::ListSlotsResponse page;
  // Takes out what does not match once the usage is known; empty if the filter asks for none.
  std::function<void(v1::ListSlotsResponse*)> judge;
};
// True: it was asked for, or the filter asks for it. A filter that is wrong asks for nothing.
bool NeedsUsage(const v1::ListSlotsRequest& request);
absl::Status FillPage(const Fleet& fleet, const v1::ListSlotsRequest& request, UsagePage* page);

// Without usage, but of a size for which it can be asked.
absl::Status FillPage(const Fleet& fleet, const v1::ListProgramsRequest& request,
                      v1::ListProgramsResponse* response);
// May take a tenth of a second over a large fleet, in short holds of its lock: not for a callback
// thread.
absl::Status FillCounts(const Fleet& fleet, const v1::CountSlotsRequest& request,
                        v1::CountSlotsResponse* response);
absl::Status FillPage(History* history, const v1::ListEventsRequest& request,
                      v1::ListEventsResponse* response);

}  // namespace procctl::controller
