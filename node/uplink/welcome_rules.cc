#include "node/uplink/welcome_rules.h"

#include <cstddef>

#include "proto/support/version.h"
#include "spdlog/fmt/fmt.h"

namespace procctl::uplink {
namespace {

// What is remembered of a controller must stay small, whatever it sends.
constexpr std::size_t kMostIdentityBytes = 128;

}  // namespace

absl::Status CheckWelcome(const v1::Welcome& welcome) {
  if (welcome.session_epoch() <= 0) {
    return absl::InvalidArgumentError(
        fmt::format("controller \"{}\" sent session epoch {}; it must be greater than zero",
                    welcome.controller_id(), welcome.session_epoch()));
  }
  const bool named = !welcome.history_id().empty();
  if (named && (welcome.generation() <= 0 || welcome.run().empty() ||
                welcome.history_id().size() > kMostIdentityBytes ||
                welcome.run().size() > kMostIdentityBytes)) {
    return absl::InvalidArgumentError(
        fmt::format("controller \"{}\" sent a history without a start and run, or too long",
                    welcome.controller_id()));
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
