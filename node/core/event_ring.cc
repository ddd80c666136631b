#include "node/core/event_ring.h"

#include <utility>

#include "spdlog/fmt/fmt.h"

namespace procctl::node {

const v1::Event& EventRing::Add(v1::Event event) {
  if (events_.size() >= capacity_) FoldOldest();
  event.mutable_id()->set_epoch(epoch_);
  event.mutable_id()->set_seq(++last_seq_);
  return events_.emplace_back(std::move(event));
}

void EventRing::Spooled(int64_t epoch, int64_t seq) {
  if (epoch != epoch_ || seq > last_seq_) return;
  while (!events_.empty() && events_.front().id().seq() <= seq) events_.pop_front();
}

void EventRing::FoldOldest() {
  const v1::Event first = std::move(events_.front());
  events_.pop_front();
  v1::Event& next = events_.front();
  const int64_t first_lost = first.has_lost() ? first.lost().first_seq() : first.id().seq();
  const int64_t last_lost = next.id().seq();
  v1::Event record;
  *record.mutable_id() = next.id();
  *record.mutable_at() = next.at();
  *record.mutable_since_boot() = next.since_boot();
  record.set_boot_id(next.boot_id());
  record.set_node(next.node());
  record.set_kind(v1::EVENT_KIND_EVENTS_LOST);
  record.set_severity(v1::SEVERITY_ALARM);
  record.mutable_lost()->set_first_seq(first_lost);
  record.mutable_lost()->set_last_seq(last_lost);
  record.set_message(
      fmt::format("{} events could not be kept: the uplink took none while {} more came",
                  last_lost - first_lost + 1, capacity_));
  next = std::move(record);
}

}  // namespace procctl::node
