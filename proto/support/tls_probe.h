// gRPC reports every failed handshake as "Socket closed". This says which it was, by making one
// connection of its own with OpenSSL.
#pragma once

#include <chrono>
#include <string>

#include "absl/status/status.h"
#include "proto/support/tls_files.h"

namespace procctl {

// Resolves, connects, shakes hands and waits for the server's verdict on our certificate. OK if all
// of that works. Otherwise one sentence with the cause and what to do next:
//   UNAVAILABLE       name does not resolve, connection refused, no answer in time, the port does
//   not speak TLS,
//                     or the controller closed the connection (overloaded)
//   UNAUTHENTICATED   the controller's certificate is not from our CA / is for other names / has
//   expired; or ours
//                     is missing, expired, not yet valid, or from another CA (each told apart)
absl::Status ProbeTls(const std::string& address, const std::string& server_name, const TlsPem& tls,
                      std::chrono::milliseconds timeout);

// Splits host:port; [v6]:port too. INVALID_ARGUMENT says what is wrong.
absl::Status SplitAddress(const std::string& address, std::string* host, std::string* port);

}  // namespace procctl
