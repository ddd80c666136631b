// The life of a controller: serve until SIGTERM or SIGINT, then end in good order.
#pragma once

#include <functional>
#include <string>

#include "absl/status/status.h"
#include "controller/rpc/server.h"

namespace procctl::controller {

// Call first in main, before any thread runs: the signals are waited for, never handled.
void BlockSignals();

// Serves until a signal asks for the end. `listening` is told the address once connections are
// accepted. OK after a graceful end; a drain that takes over 15 s ends the process with exit
// code 1.
absl::Status Run(ServerOptions options, int max_connections,
                 const std::function<void(const std::string& address)>& listening);

}  // namespace procctl::controller
