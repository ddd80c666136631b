#include "node/uplink/welcome_rules.h"

#include "proto/support/version.h"
#include "spdlog/fmt/fmt.h"

namespace procctl::uplink {

absl::Status CheckWelcome(const v1::Welcome& welcome, std::int64_t max_session_epoch) {
  if (welcome.session_epoch() <= 0) {
    return absl::InvalidArgumentError(
        fmt::format("controller \"{}\" sent session epoch {}; it must be greater than zero",
                    welcome.controller_id(), welcome.session_epoch()));
  }
  if (welcome.session_epoch() < max_session_epoch) {
    return absl::FailedPreconditionError(fmt::format(
        "controller \"{}\" sent session epoch {}, but this node was welcomed with {} before: that "
        "controller is behind (restored from an old backup, or replaced by another); point the "
        "node at the present controller, or, if this one is to go on, remove the node's spool",
        welcome.controller_id(), welcome.session_epoch(), max_session_epoch));
  }
  if (welcome.protocol() < kProtocolMin || welcome.protocol() > kProtocolMax) {
    return absl::FailedPreconditionError(
        fmt::format("controller \"{}\" chose protocol version {}, this node speaks {} to {}; "
                    "upgrade the older of the two",
                    welcome.controller_id(), welcome.protocol(), kProtocolMin, kProtocolMax));
  }
  for (const v1::EventCursor& cursor : welcome.cursors()) {
    if (cursor.epoch() <= 0 || cursor.seq() < 0) {
      return absl::InvalidArgumentError(fmt::format("controller \"{}\" sent cursor {}:{}",
                                                    welcome.controller_id(), cursor.epoch(),
                                                    cursor.seq()));
    }
  }
  return absl::OkStatus();
}

}  // namespace procctl::uplink
