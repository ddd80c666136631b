// What every gRPC server of procctl is built with.
#pragma once

#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server_builder.h>

#include <chrono>
#include <memory>

#include "proto/support/tls_files.h"

namespace procctl {

// mTLS that requires and verifies a client certificate: there is no other kind of connection.
std::shared_ptr<grpc::ServerCredentials> MakeServerCredentials(const TlsPem& tls);

// Keepalive, limits and the defaults of gRPC 1.51 that must be off (see the .cc for each reason).
// `handshake_timeout`: for TLS and the first frame of HTTP/2.
void ApplyServerArguments(grpc::ServerBuilder* builder,
                          std::chrono::milliseconds handshake_timeout = std::chrono::seconds(10));

}  // namespace procctl
