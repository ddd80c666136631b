// The one way to a controller: mTLS channel with the arguments that a fleet needs (proto/README.md
// says why each).
#pragma once

#include <grpcpp/channel.h>

#include <memory>
#include <string>

#include "proto/support/tls_files.h"

namespace procctl {

// `address` is host:port. `server_name`: what the controller's certificate must be for; empty: the
// host of address. Never blocks; the connection is made by the first call.
std::shared_ptr<grpc::Channel> MakeChannel(const std::string& address,
                                           const std::string& server_name, const TlsPem& tls);

}  // namespace procctl
