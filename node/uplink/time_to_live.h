// When what a controller asks of the guardian expires. Counted from its receipt here, on the clock
// that both ends of the link share. Pure.
#pragma once

#include <algorithm>
#include <chrono>

#include "google/protobuf/duration.pb.h"
#include "node/uplink/boot_clock.h"
#include "proto/support/time_convert.h"

namespace procctl::uplink {

inline constexpr std::chrono::seconds kDefaultTimeToLive{30};
inline constexpr std::chrono::minutes kMaxTimeToLive{5};

// `Message` has an optional time_to_live. Not more than the protocol allows, whatever a controller
// says; an odd value still reaches the guardian and ends there as EXPIRED.
template <typename Message>
BootTime ExpiryOf(const Message& message, BootTime received) {
  std::chrono::nanoseconds time_to_live = kDefaultTimeToLive;
  if (message.has_time_to_live()) {
    time_to_live = std::clamp<std::chrono::nanoseconds>(
        FromProto(message.time_to_live()), std::chrono::nanoseconds(0), kMaxTimeToLive);
  }
  return received + time_to_live;
}

// What is left of it; zero if nothing is. Set also then: unset would mean 30 s.
inline google::protobuf::Duration LeftUntil(BootTime expires, BootTime now) {
  return ToProto(std::max<std::chrono::nanoseconds>(expires - now, std::chrono::nanoseconds(0)));
}

}  // namespace procctl::uplink
