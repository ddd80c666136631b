// A bare gRPC stream with mTLS between two processes: what an order's way is held against.
#pragma once

#include <string>

#include "proto/support/tls_files.h"
#include "tests/fleetsim/bench/samples.h"

namespace procctl::bench {

// Serves until it is killed: each message of NodeService.Session is answered by one of the size of
// an order. Writes "listening on HOST:PORT". Returns an exit code.
int ServeEcho(const TlsPem& tls);

// `count` round trips on one stream, `pause` apart.
Samples MeasureEcho(const std::string& address, const TlsPem& tls, int count,
                    std::chrono::nanoseconds pause);

}  // namespace procctl::bench
