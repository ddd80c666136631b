// The controller's server: everything between a listening socket and the state folder, started and
// stopped as one.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "controller/core/liveness.h"
#include "controller/core/order_limits.h"
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
  OrderLimits order_limits;
  // RLIMIT_NOFILE as it is in force.
  int descriptor_limit = 1024;
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
