#include "controller/rpc/gatekeeper.h"

#include <grpcpp/server_context.h>

#include <optional>
#include <utility>

#include "controller/core/access.h"
#include "controller/rpc/clocks.h"
#include "proto/support/escape.h"
#include "proto/support/time_convert.h"
#include "spdlog/spdlog.h"

namespace procctl::controller {

absl::StatusOr<Identity> Gatekeeper::Admit(const grpc::CallbackServerContext& context,
                                           std::string_view method) {
  auto identity = PeerIdentity(*context.auth_context());
  if (!identity.ok()) {
    Record(context, nullptr, method, std::string(identity.status().message()));
    return identity.status();
  }
  if (identity->fleet != fleet_) {
    return Refuse(context, *identity, method,
                  fmt::format("the certificate is of fleet {}, this controller is of fleet {}",
                              identity->fleet, fleet_));
  }
  if (newcomers_->any()) newcomers_->Settle(context.peer());
  if (absl::Status access = CheckAccess(method, identity->role); !access.ok()) {
    return Refuse(context, *identity, method, std::string(access.message()));
  }
  return identity;
}

absl::Status Gatekeeper::Refuse(const grpc::CallbackServerContext& context,
                                const Identity& identity, std::string_view method,
                                std::string_view why) {
  Record(context, &identity, method, why);
  return absl::PermissionDeniedError(fmt::format("{} (you are {})", why, identity.ToString()));
}

void Gatekeeper::Record(const grpc::CallbackServerContext& context, const Identity* identity,
                        std::string_view method, std::string_view why) {
  const std::string who = identity != nullptr ? identity->ToString() : "somebody";
  std::optional<std::int64_t> held_back;
  {
    absl::MutexLock lock(&mutex_);
    held_back = gate_.Admit(who, method, MonoNow());
  }
  if (!held_back) return;
  const std::string peer = Escape(context.peer());
  std::string message = fmt::format("refused {} at {}: {}", who, peer, why);
  if (*held_back > 0) message += fmt::format(" ({} more like it before)", *held_back);
  spdlog::warn("{}", message);
  v1::Event event;
  event.set_kind(v1::EVENT_KIND_ACCESS_REFUSED);
  event.set_severity(v1::SEVERITY_WARNING);
  if (identity != nullptr && identity->role == Role::kNode) event.set_node(identity->id);
  *event.mutable_at() = ToProto(WallNow());
  if (identity != nullptr) event.set_issuer(who);
  event.set_message(std::move(message));
  log_->AppendOwn({std::move(event)}, [](const absl::StatusOr<Committed>&) {});
}

}  // namespace procctl::controller
