// How long to wait before the next session. Pure: randomness comes in.
#pragma once

#include <chrono>

#include "absl/status/status.h"
#include "proto/support/backoff.h"

namespace procctl::uplink {

inline constexpr std::chrono::milliseconds kFirstReconnect{500};
inline constexpr std::chrono::seconds kMaxReconnect{30};
// A session that lasted this long was a good one.
inline constexpr std::chrono::seconds kHealthySession{10};

class ReconnectRule {
 public:
  // `lasted`: from Welcome to the end, zero if there was no Welcome. Full jitter; a refusal that a
  // person has to mend (certificate, version, fencing) takes the upper half of the longest wait,
  // but the node never stops trying.
  std::chrono::milliseconds DelayAfter(const absl::Status& end, std::chrono::nanoseconds lasted,
                                       double unit);

 private:
  Backoff backoff_{kFirstReconnect, kMaxReconnect};
};

bool NeedsAPerson(const absl::Status& end);

}  // namespace procctl::uplink
