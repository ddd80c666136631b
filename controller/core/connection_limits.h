// What strangers may take of a controller: connections that have not yet shown who they are.
#pragma once

#include <chrono>

namespace procctl::controller {

struct ConnectionLimits {
  // Connections of one address at a time that have not begun a call. An IPv6 address counts as its
  // /64, for a host has all of that.
  int per_address = 64;
  // A connection that has not shown its certificate and begun a call within it is closed.
  std::chrono::nanoseconds handshake_timeout = std::chrono::seconds(10);
};

}  // namespace procctl::controller
