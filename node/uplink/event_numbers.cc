#include "node/uplink/event_numbers.h"

#include "proto/support/time_convert.h"
#include "spdlog/fmt/fmt.h"

namespace procctl::uplink {
namespace {

std::string LostMessage(std::int64_t epoch, std::int64_t first, std::int64_t last,
                        std::string_view why) {
  return fmt::format("events {} to {} of epoch {} are lost: {}", first, last, epoch, why);
}

}  // namespace

EventPosition PositionOf(const v1::Event& event) { return {event.id().epoch(), event.id().seq()}; }

std::int64_t FirstSeq(const v1::Event& event) {
  const std::int64_t seq = event.id().seq();
  if (event.kind() != v1::EVENT_KIND_EVENTS_LOST || !event.has_lost()) return seq;
  const v1::EventsLost& lost = event.lost();
  const bool sound = lost.first_seq() >= 1 && lost.first_seq() <= seq && lost.last_seq() == seq;
  return sound ? lost.first_seq() : seq;
}

void NarrowLost(std::int64_t first, v1::Event* event) {
  const std::int64_t old_first = FirstSeq(*event);
  const std::int64_t seq = event->id().seq();
  if (first <= old_first || first > seq) return;
  event->mutable_lost()->set_first_seq(first);
  // The sentence names numbers: it must not contradict the fields.
  event->set_message(LostMessage(event->id().epoch(), first, seq,
                                 fmt::format("of a record that began at {}", old_first)));
}

v1::Event MakeLost(const RecordOrigin& origin, std::int64_t epoch, std::int64_t first,
                   std::int64_t last, std::string_view why,
                   std::chrono::system_clock::time_point at) {
  v1::Event event;
  event.mutable_id()->set_origin(origin.node_id);
  event.mutable_id()->set_epoch(epoch);
  event.mutable_id()->set_seq(last);
  event.set_kind(v1::EVENT_KIND_EVENTS_LOST);
  event.set_severity(v1::SEVERITY_ALARM);
  event.set_node(origin.node_id);
  *event.mutable_at() = ToProto(at);
  event.set_boot_id(origin.boot_id);
  event.mutable_lost()->set_first_seq(first);
  event.mutable_lost()->set_last_seq(last);
  event.set_message(LostMessage(epoch, first, last, why));
  return event;
}

}  // namespace procctl::uplink
