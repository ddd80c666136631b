// A page of orders: as recorded, and of those under way as they stand now.
#pragma once

#include "absl/status/status.h"
#include "controller/rpc/kill_desk.h"
#include "controller/store/history.h"
#include "procctl/v1/fleet_service.pb.h"

namespace procctl::controller {

// As those of pages.h. Blocks on the disk.
absl::Status FillPage(KillDesk* desk, History* history, const v1::ListOrdersRequest& request,
                      v1::ListOrdersResponse* response);

}  // namespace procctl::controller
