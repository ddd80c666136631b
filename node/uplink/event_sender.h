// Which events go out next in one session: everything above the controller's cursors, oldest first,
// each once, and never with a hole: numbers that the node no longer has become an EVENTS_LOST
// record on the way. Pure; one per session.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>

#include "node/uplink/event_window.h"
#include "procctl/v1/node_service.pb.h"

namespace procctl::uplink {

// Small enough that an order's verdict never waits behind a large frame for long.
inline constexpr std::size_t kMaxBatchEvents = 512;
inline constexpr std::size_t kMaxBatchBytes = 128 * 1024;

class EventSender {
 public:
  EventSender(const v1::Welcome& welcome, RecordOrigin origin);

  // The next events of one epoch; empty if the window holds nothing that was not sent.
  v1::EventBatch NextBatch(const EventWindow& window, std::chrono::system_clock::time_point wall);

  // Whether NextBatch would give events, save for those that it would only skip.
  bool HasMore(const EventWindow& window) const { return next_ < window.end_index(); }

  // Position of the last event sent.
  EventPosition position() const { return position_; }
  // Highest seq of that epoch that the controller can know of: its own cursor or what was sent.
  std::int64_t sent(std::int64_t epoch) const;

 private:
  RecordOrigin origin_;
  std::map<std::int64_t, std::int64_t> sent_;
  std::uint64_t next_ = 0;
  EventPosition position_;
};

}  // namespace procctl::uplink
