// The address to listen on: host:port, where port 0 means any free one.
#pragma once

#include <string>

#include "absl/status/status.h"

namespace procctl::controller {

// Splits it; [v6]:port too. INVALID_ARGUMENT says what is wrong.
absl::Status SplitListenAddress(const std::string& address, std::string* host, std::string* port);

}  // namespace procctl::controller
