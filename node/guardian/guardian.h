// The guardian: one loop thread that owns the table and drives everything.
#pragma once

#include "absl/status/status.h"
#include "node/guardian/settings.h"
#include "node/os/service_manager.h"

namespace procctl::node {

// Enforces until SIGTERM or SIGINT, taking up first what an earlier guardian of this boot left. Not
// OK: it could not begin; says what to do. Prints "guarding as NODE" on stdout once processes can
// register. The calling thread becomes the loop; call it before any other thread is started.
absl::Status RunGuardian(const Settings& settings, ServiceManager manager);

}  // namespace procctl::node
