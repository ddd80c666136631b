#include "proto/support/peer_identity.h"

#include <grpcpp/security/auth_context.h>

#include "spdlog/fmt/fmt.h"

namespace procctl {

absl::StatusOr<Identity> PeerIdentity(const grpc::AuthContext& context) {
  if (!context.IsPeerAuthenticated()) {
    return absl::UnauthenticatedError("no client certificate was presented");
  }
  const auto uris = context.FindPropertyValues("peer_uri");
  if (uris.size() != 1) {
    return absl::UnauthenticatedError(
        fmt::format("the certificate holds {} URI names; exactly one is needed", uris.size()));
  }
  auto identity = ParseSpiffeId(std::string_view(uris[0].data(), uris[0].size()));
  if (!identity.ok()) return absl::UnauthenticatedError(identity.status().message());
  return identity;
}

}  // namespace procctl
