#include "node/uplink/reconnect_rule.h"

namespace procctl::uplink {

bool NeedsAPerson(const absl::Status& end) {
  return absl::IsPermissionDenied(end) || absl::IsUnauthenticated(end) ||
         absl::IsFailedPrecondition(end);
}

std::chrono::milliseconds ReconnectRule::DelayAfter(const absl::Status& end,
                                                    std::chrono::nanoseconds lasted, double unit) {
  if (lasted >= kHealthySession) backoff_.Reset();
  if (NeedsAPerson(end)) {
    const std::chrono::milliseconds half = kMaxReconnect / 2;
    return half + std::chrono::milliseconds(static_cast<std::chrono::milliseconds::rep>(
                      static_cast<double>(half.count()) * unit));
  }
  return backoff_.Next(unit);
}

}  // namespace procctl::uplink
