// How fast a fleet may come back to its controller. Pure.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace procctl::controller {

// A session costs a handshake of some 2 ms: so many a second leave a controller of two cores room
// for all else.
inline constexpr int kReconnectsPerSecond = 500;
inline constexpr std::chrono::seconds kLeastReconnectWithin{1};
inline constexpr std::chrono::seconds kMostReconnectWithin{60};

// Welcome.reconnect_within in a fleet of so many nodes.
inline std::chrono::nanoseconds ReconnectWithin(std::size_t nodes) {
  const auto spread = std::chrono::nanoseconds(std::chrono::seconds(1)) *
                      static_cast<std::int64_t>(nodes) / kReconnectsPerSecond;
  return std::clamp<std::chrono::nanoseconds>(spread, kLeastReconnectWithin, kMostReconnectWithin);
}

// Drain.delay of the i-th of so many: evenly over the same time.
inline std::chrono::nanoseconds DrainDelay(std::size_t i, std::size_t nodes) {
  return ReconnectWithin(nodes) * static_cast<std::int64_t>(i) / static_cast<std::int64_t>(nodes);
}

}  // namespace procctl::controller
