// How long to wait before the next session. Pure: randomness comes in.
//
//   session ended        uniform in [0, reconnect_within] of its Welcome (5 s if it named none)
//   try failed, n-th     uniform in [0, max(1 s, reconnect_within) * 2^n], 45 s at most
//   refused for good     uniform in the upper half of 45 s
//   drained              what the controller said, and a little more
//
// A controller asks for a reconnect_within that fits its fleet. With 20 s and 10,000 nodes fewer
// than a tenth of them come in any second, and all are back 45 s after a controller that was away
// for up to 60 s (reconnect_test).
#pragma once

#include <chrono>
#include <optional>

#include "absl/status/status.h"
#include "google/protobuf/duration.pb.h"
#include "proto/support/backoff.h"

namespace procctl::uplink {

inline constexpr std::chrono::seconds kDefaultReconnectWithin{5};
inline constexpr std::chrono::seconds kMaxReconnectWithin{60};
inline constexpr std::chrono::seconds kFirstBackoff{1};
inline constexpr std::chrono::seconds kMaxReconnect{45};
// A session that lasted this long was a good one.
inline constexpr std::chrono::seconds kHealthySession{10};
// Longer a controller cannot send its nodes away: it may never come back itself.
inline constexpr std::chrono::minutes kMaxDrain{5};

// Of Welcome.reconnect_within, null where there is none; nonsense is replaced.
std::chrono::milliseconds ReconnectWithin(const google::protobuf::Duration* within);

class ReconnectRule {
 public:
  // What became of one try.
  struct Tried {
    absl::Status end;
    // From Welcome to the end, zero if there was no Welcome.
    std::chrono::nanoseconds lasted{0};
    // Of that Welcome.
    std::chrono::milliseconds within = kDefaultReconnectWithin;
    // The controller sent the node away for so long.
    std::optional<std::chrono::nanoseconds> drained;
  };
  // `unit`: random in [0, 1). What a person has to mend (certificate, version, fencing) is tried
  // seldom, but the node never stops trying.
  std::chrono::milliseconds DelayAfter(const Tried& tried, double unit);

 private:
  Backoff backoff_{kFirstBackoff, kMaxReconnect};
};

bool NeedsAPerson(const absl::Status& end);

}  // namespace procctl::uplink
