// How a node fares, as its latest heartbeat says. Pure data.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

namespace procctl::controller {

// What the node does not tell is absent.
struct NodeVitals {
  // How far its clock is ahead of the controller's.
  std::optional<std::chrono::nanoseconds> skew;
  // Runnable processes over a minute per CPU, in thousandths.
  std::optional<std::int32_t> load_per_mille;
  // Worst lateness of its uplink's loop between two heartbeats.
  std::optional<std::chrono::nanoseconds> lag;
};

}  // namespace procctl::controller
