// One page of each list: what a request asks for, checked, and the rows that it gets.
//
// Each fails with INVALID_ARGUMENT that says which part of the request is wrong, and what would be
// right. Thread-safe. All but events come from memory; a page of events blocks on the disk.
#pragma once

#include "absl/status/status.h"
#include "controller/rpc/fleet.h"
#include "controller/store/history.h"
#include "procctl/v1/fleet_service.pb.h"

namespace procctl::controller {

absl::Status FillPage(const Fleet& fleet, const v1::ListNodesRequest& request,
                      v1::ListNodesResponse* response);
// Without usage, but of a size for which it can be asked.
absl::Status FillPage(const Fleet& fleet, const v1::ListSlotsRequest& request,
                      v1::ListSlotsResponse* response);
absl::Status FillPage(const Fleet& fleet, const v1::ListProgramsRequest& request,
                      v1::ListProgramsResponse* response);
absl::Status FillPage(History* history, const v1::ListEventsRequest& request,
                      v1::ListEventsResponse* response);

}  // namespace procctl::controller
