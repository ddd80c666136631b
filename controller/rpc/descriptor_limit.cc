#include "controller/rpc/descriptor_limit.h"

#include <sys/resource.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "spdlog/fmt/fmt.h"

namespace procctl::controller {
namespace {

// Files, databases, gRPC's own descriptors and the accept loop's reserve of 32.
constexpr rlim_t kBesideConnections = 96;
// No machine of ours has more, and the limit is used as an int.
constexpr rlim_t kMost = 1 << 20;

}  // namespace

absl::StatusOr<int> ApplyDescriptorLimit(int max_connections) {
  rlimit limit = {};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
    return absl::InternalError(fmt::format("getrlimit(NOFILE): {}", strerror(errno)));
  }
  limit.rlim_cur = std::min(limit.rlim_max, kMost);
  if (max_connections > 0) {
    limit.rlim_cur =
        std::min(limit.rlim_cur, static_cast<rlim_t>(max_connections) + kBesideConnections);
  }
  if (setrlimit(RLIMIT_NOFILE, &limit) != 0) {
    return absl::InternalError(
        fmt::format("setrlimit(NOFILE, {}): {}", limit.rlim_cur, strerror(errno)));
  }
  return static_cast<int>(limit.rlim_cur);
}

}  // namespace procctl::controller
