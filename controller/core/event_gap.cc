#include "controller/core/event_gap.h"

#include "proto/support/time_convert.h"
#include "spdlog/fmt/fmt.h"

namespace procctl::controller {
v1::Event MakeGap(const EventGap& gap, WallTime at) {
  v1::Event event;
  event.set_kind(v1::EVENT_KIND_GAP);
  event.set_severity(v1::SEVERITY_ALARM);
  event.set_node(gap.node);
  *event.mutable_at() = ToProto(at);
  event.mutable_lost()->set_first_seq(gap.first);
  event.mutable_lost()->set_last_seq(gap.last);
  event.mutable_lost()->set_epoch(gap.epoch);
  event.set_message(
      fmt::format("events {} to {} of epoch {} of node {} are lost: they are not in this database "
                  "and no longer on the node; an older copy of the database was restored, or "
                  "another controller took them",
                  gap.first, gap.last, gap.epoch, gap.node));
  return event;
}

std::optional<EventGap> GapOf(const v1::Event& event) {
  if (event.kind() != v1::EVENT_KIND_GAP || event.lost().epoch() <= 0) return std::nullopt;
  return EventGap{event.node(), event.lost().epoch(), event.lost().first_seq(),
                  event.lost().last_seq()};
}

}  // namespace procctl::controller
