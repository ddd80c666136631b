#include "proto/support/channel.h"

#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/support/channel_arguments.h>

namespace procctl {

std::shared_ptr<grpc::Channel> MakeChannel(const std::string& address,
                                           const std::string& server_name, const TlsPem& tls) {
  grpc::SslCredentialsOptions options;
  options.pem_root_certs = tls.ca;
  options.pem_cert_chain = tls.cert;
  options.pem_private_key = tls.key;

  grpc::ChannelArguments args;
  // A controller that died without a word is noticed within 30 s. The client's own limit on pings
  // without data (2) would silence keepalive on an idle stream, so it is lifted.
  args.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, 20'000);
  args.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 10'000);
  args.SetInt(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  args.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  // The probe lets a peer park megabytes per stream.
  args.SetInt(GRPC_ARG_HTTP2_BDP_PROBE, 0);
  // We repeat calls ourselves, with ids that make that safe; gRPC would hold 256 KiB per call for
  // it.
  args.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
  // The fleet is not reached through what http_proxy happens to name.
  args.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  // A new channel means a new connection, never one shared with a channel that is stuck.
  args.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  args.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 1'000);
  // This one is the connect timeout as well.
  args.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 5'000);
  args.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 30'000);
  if (!server_name.empty()) args.SetSslTargetNameOverride(server_name);

  // The scheme is spelled out so that no address is taken for another one ("unix:...").
  return grpc::CreateCustomChannel("dns:///" + address, grpc::SslCredentials(options), args);
}

}  // namespace procctl
