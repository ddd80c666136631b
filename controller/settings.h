// From a configuration file to what the server is started with.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "controller/rpc/server.h"

namespace procctl::controller {

struct Settings {
  ServerOptions server;  // without descriptor_limit
  int max_connections = 0;
  std::string log_format;
  std::string log_level;
};

// Reads and checks `file` and the certificates it names. Refusals read "FILE:LINE: fact; hint".
absl::StatusOr<Settings> ReadSettings(const std::string& file);

// The state_dir that `file` names, without its certificates being read.
absl::StatusOr<std::string> ReadStateDir(const std::string& file);

// Reads certificates into `server` (tls and identity). FAILED_PRECONDITION if they are not a
// controller's.
absl::Status ReadIdentity(const TlsFiles& files, ServerOptions* server);

}  // namespace procctl::controller
