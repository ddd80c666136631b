// Between absl::Status, which our code speaks, and grpc::Status, which only rpc/, uplink/ and the
// CLI's edge do. The two number their codes alike.
#pragma once

#include <grpcpp/support/status.h>

#include "absl/status/status.h"

namespace procctl {

grpc::Status ToGrpc(const absl::Status& status);
absl::Status FromGrpc(const grpc::Status& status);

}  // namespace procctl
