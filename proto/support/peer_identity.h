// Who is at the other end: read from the peer's verified certificate, never from what it says.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace grpc {
class AuthContext;
}

namespace procctl {

// Roles in rising order of what a person may do; node and controller stand beside that order.
enum class Role { kNode, kViewer, kOperator, kAdmin, kController };

std::string_view RoleName(Role role);

// From spiffe://<fleet>/<role>/<id>. id: 1 to 63 of [a-z0-9.-] for nodes and controllers; people's
// may also hold upper case, '_', '@' and '+'.
struct Identity {
  std::string fleet;
  Role role = Role::kViewer;
  std::string id;

  // "operator/alice"
  std::string ToString() const;
  bool operator==(const Identity&) const = default;
};

// INVALID_ARGUMENT says which part is wrong.
absl::StatusOr<Identity> ParseSpiffeId(std::string_view uri);

// True if `id` may name a node (and so a controller).
bool IsValidNodeId(std::string_view id);

// UNAUTHENTICATED unless the peer's certificate holds exactly one URI SAN and that one is
// well-formed.
absl::StatusOr<Identity> PeerIdentity(const grpc::AuthContext& context);

}  // namespace procctl
