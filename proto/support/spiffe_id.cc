#include <algorithm>
#include <array>
#include <utility>

#include "proto/support/peer_identity.h"
#include "spdlog/fmt/fmt.h"

namespace procctl {
namespace {

constexpr std::string_view kScheme = "spiffe://";
constexpr size_t kMostIdBytes = 63;
constexpr std::array<std::pair<Role, std::string_view>, 5> kRoles = {
    {{Role::kNode, "node"},
     {Role::kViewer, "viewer"},
     {Role::kOperator, "operator"},
     {Role::kAdmin, "admin"},
     {Role::kController, "controller"}}};

bool AllOf(std::string_view id, std::string_view extra) {
  return !id.empty() && id.size() <= kMostIdBytes && std::all_of(id.begin(), id.end(), [&](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-' ||
           extra.find(c) != std::string_view::npos;
  });
}

}  // namespace

std::string_view RoleName(Role role) {
  for (const auto& [known, name] : kRoles) {
    if (known == role) return name;
  }
  return "unknown";
}

std::string Identity::ToString() const { return fmt::format("{}/{}", RoleName(role), id); }

bool IsValidNodeId(std::string_view id) {
  return AllOf(id, "") && id.front() != '-' && id.front() != '.';
}

absl::StatusOr<Identity> ParseSpiffeId(std::string_view uri) {
  const auto refuse = [&](std::string_view why) {
    return absl::InvalidArgumentError(
        fmt::format("\"{}\" is not spiffe://<fleet>/<role>/<id>: {}", uri, why));
  };
  if (uri.substr(0, kScheme.size()) != kScheme) return refuse("it is no spiffe:// URI");
  std::string_view rest = uri.substr(kScheme.size());
  const size_t slash = rest.find('/');
  const size_t second = slash == std::string_view::npos ? slash : rest.find('/', slash + 1);
  if (second == std::string_view::npos) return refuse("a part is missing");
  Identity identity;
  identity.fleet = std::string(rest.substr(0, slash));
  const std::string_view role = rest.substr(slash + 1, second - slash - 1);
  identity.id = std::string(rest.substr(second + 1));
  if (!IsValidNodeId(identity.fleet)) return refuse("the fleet is not 1 to 63 of [a-z0-9.-]");
  const auto* known = std::find_if(kRoles.begin(), kRoles.end(),
                                   [&](const auto& entry) { return entry.second == role; });
  if (known == kRoles.end())
    return refuse("the role is none of node, viewer, operator, admin, controller");
  identity.role = known->first;
  const bool machine = identity.role == Role::kNode || identity.role == Role::kController;
  const bool valid =
      machine ? IsValidNodeId(identity.id) : AllOf(identity.id, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_@+");
  if (!valid) return refuse("the id holds a character it may not, or is too long");
  return identity;
}

}  // namespace procctl
