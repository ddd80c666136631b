#include "node/uplink/event_sender.h"

#include <algorithm>
#include <utility>

namespace procctl::uplink {

EventSender::EventSender(const v1::Welcome& welcome, RecordOrigin origin)
    : origin_(std::move(origin)) {
  for (const v1::EventCursor& cursor : welcome.cursors()) {
    std::int64_t& sent = sent_[cursor.epoch()];
    sent = std::max(sent, cursor.seq());
  }
}

std::int64_t EventSender::sent(std::int64_t epoch) const {
  const auto it = sent_.find(epoch);
  return it == sent_.end() ? 0 : it->second;
}

v1::EventBatch EventSender::NextBatch(const EventWindow& window,
                                      std::chrono::system_clock::time_point wall) {
  v1::EventBatch batch;
  std::size_t bytes = 0;
  // What was before the window's begin is acknowledged, folded, or about to be paged in again.
  next_ = std::max(next_, window.begin_index());
  for (; next_ < window.end_index(); ++next_) {
    const v1::Event& event = window.at(next_);
    const EventPosition position = PositionOf(event);
    if (batch.events_size() > 0) {
      if (position.epoch != position_.epoch) break;
      if (static_cast<std::size_t>(batch.events_size()) >= kMaxBatchEvents) break;
      if (bytes >= kMaxBatchBytes) break;
    }
    std::int64_t& sent = sent_[position.epoch];
    if (position.seq <= sent) continue;
    const std::int64_t first = FirstSeq(event);
    if (first > sent + 1) {
      // The node trimmed these because a controller had committed them, or its spool was damaged;
      // this controller does not have them.
      *batch.add_events() = MakeLost(origin_, position.epoch, sent + 1, first - 1,
                                     "the node no longer holds them and this controller's store "
                                     "does not either",
                                     wall);
    }
    v1::Event* out = batch.add_events();
    *out = event;
    NarrowLost(sent + 1, out);
    bytes += event.ByteSizeLong();
    sent = position.seq;
    position_ = position;
  }
  return batch;
}

}  // namespace procctl::uplink
