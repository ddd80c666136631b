#include "controller/rpc/session_desk.h"

#include <optional>
#include <string_view>
#include <utility>

#include "controller/core/reconnect_pace.h"
#include "controller/rpc/clocks.h"
#include "controller/rpc/own_event.h"
#include "proto/support/escape.h"
#include "proto/support/time_convert.h"
#include "spdlog/spdlog.h"

namespace procctl::controller {

absl::Status SessionDesk::CheckLife(const std::string& node, const v1::Hello& hello,
                                    const std::string& peer) {
  const std::string where = fmt::format(
      "host {} at {}", Printable(std::string_view(hello.hostname()).substr(0, 80)), peer);
  const bool connected = fleet_->LineTo(node).session != nullptr;
  std::optional<CloneWatch::Conflict> conflict;
  {
    absl::MutexLock lock(&mutex_);
    conflict = clones_.Judge(node, hello.instance(), where, connected, MonoNow());
  }
  if (!conflict) return absl::OkStatus();
  std::string message = fmt::format(
      "two hosts use the certificate of node {}: {} comes back after {} had replaced it{}; give "
      "one "
      "of them a node id and a certificate of its own",
      node, where, conflict->other,
      conflict->refuse ? ", which is connected, so it is refused" : "");
  if (conflict->tell) {
    spdlog::error("{}", message);
    Record(&engine_->commit_log(),
           OwnEvent(v1::EVENT_KIND_IDENTITY_CONFLICT, v1::SEVERITY_ALARM, node, message));
  }
  return conflict->refuse ? absl::PermissionDeniedError(message) : absl::OkStatus();
}

void SessionDesk::FillWelcome(const std::string& node, bool can_wait, v1::Welcome* welcome) {
  const StoreIdentity& identity = engine_->coordinator().identity();
  welcome->set_history_id(identity.history_id);
  welcome->set_generation(identity.generation);
  welcome->set_run(identity.run);
  *welcome->mutable_reconnect_within() = ToProto(ReconnectWithin(fleet_->Size()));
  absl::MutexLock lock(&mutex_);
  const auto delay = pacer_.Plan(node, welcome->session_epoch(), can_wait, MonoNow());
  if (delay > std::chrono::nanoseconds(0)) *welcome->mutable_snapshot_delay() = ToProto(delay);
}

void SessionDesk::SnapshotReceived(const std::string& node, std::int64_t session_epoch) {
  absl::MutexLock lock(&mutex_);
  pacer_.Received(node, session_epoch, MonoNow());
}

void SessionDesk::SessionOver(const std::string& node, std::int64_t session_epoch) {
  absl::MutexLock lock(&mutex_);
  pacer_.Gone(node, session_epoch);
}

}  // namespace procctl::controller
