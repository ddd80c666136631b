// The controller's server: everything between a listening socket and the state folder, started and
// stopped as one.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "controller/core/connection_limits.h"
#include "controller/core/liveness.h"
#include "controller/core/order_limits.h"
#include "controller/store/history_limits.h"
#include "proto/support/peer_identity.h"
#include "proto/support/tls_files.h"

namespace procctl::controller {

struct ServerOptions {
  std::string listen;  // host:port; port 0: a free one
  std::string state_dir;
  TlsPem tls;
  // As the certificate says: names the fleet and this controller.
  Identity identity;
  LivenessLimits liveness;
  std::chrono::nanoseconds heartbeat_interval = std::chrono::seconds(10);
  bool reflection = false;
  // Most watches at a time.
  int watches = 5000;
  // RLIMIT_NOFILE as it is in force.
  int descriptor_limit = 1024;
  ConnectionLimits connections;
  // Bytes resident above which nothing new begins. 0: three quarters of what the machine or the
  // cgroup gives.
  std::int64_t memory = 0;
  HistoryLimits history;
  OrderLimits order_limits;
  // Orders to stop are sent although they cannot be recorded just now.
  bool orders_without_disk = true;
};

class Server {
 public:
  // When it returns, connections are accepted.
  static absl::StatusOr<std::unique_ptr<Server>> Start(const ServerOptions& options);

  virtual ~Server() = default;

  // host:port as bound.
  virtual const std::string& address() const = 0;

  // Graceful end: takes nothing new, commits what waits, acknowledges it, ends all calls with
  // UNAVAILABLE. Blocks, at most some ten seconds unless the disk does not answer; idempotent.
  // Never from a callback.
  virtual void Stop() = 0;
};

}  // namespace procctl::controller
