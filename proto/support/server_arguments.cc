#include "proto/support/server_arguments.h"

#include <grpc/grpc_security_constants.h>

namespace procctl {
namespace {

constexpr int kMostMessageBytes = 4 << 20;
// gRPC's own default, said here because it bounds what a caller can park in every call.
constexpr int kMostMetadataBytes = 8 << 10;

}  // namespace

std::shared_ptr<grpc::ServerCredentials> MakeServerCredentials(const TlsPem& tls) {
  grpc::SslServerCredentialsOptions options(
      GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
  options.pem_root_certs = tls.ca;
  options.pem_key_cert_pairs.push_back({tls.key, tls.cert});
  return grpc::SslServerCredentials(options);
}

void ApplyServerArguments(grpc::ServerBuilder* builder,
                          std::chrono::milliseconds handshake_timeout) {
  // On by default: a second server on the port would start without an error and take half the
  // connections.
  builder->AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  // The probe lets a peer park megabytes per stream.
  builder->AddChannelArgument(GRPC_ARG_HTTP2_BDP_PROBE, 0);
  // Peers that died without a word are dropped within 75 s. Clients ping every 20 s (channel.cc):
  // the least interval allowed must be below that, or they are cut off as "too many pings".
  builder->AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, 60'000);
  builder->AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 15'000);
  builder->AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder->AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 10'000);
  builder->AddChannelArgument(GRPC_ARG_HTTP2_MAX_PING_STRIKES, 3);
  builder->AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, 128);
  // By default a silent connection may sit in the handshake for two minutes.
  builder->AddChannelArgument(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS,
                              static_cast<int>(handshake_timeout.count()));
  builder->AddChannelArgument(GRPC_ARG_MAX_METADATA_SIZE, kMostMetadataBytes);
  // Ends only connections without a call: those that a command line left open.
  builder->AddChannelArgument(GRPC_ARG_MAX_CONNECTION_IDLE_MS, 600'000);
  // No MAX_CONNECTION_AGE: it would cut node sessions bluntly.
  builder->SetMaxReceiveMessageSize(kMostMessageBytes);
}

}  // namespace procctl
