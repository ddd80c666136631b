#include "controller/core/event_cursor.h"

#include "proto/support/escape.h"
#include "spdlog/fmt/fmt.h"

namespace procctl::controller {

Arrival JudgeArrival(std::int64_t cursor, const v1::Event& event) {
  const std::int64_t last = event.id().seq();
  const bool range = event.kind() == v1::EVENT_KIND_EVENTS_LOST && event.has_lost();
  const std::int64_t first = range ? event.lost().first_seq() : last;
  if (last <= cursor) return Arrival::kDuplicate;
  return first - 1 <= cursor ? Arrival::kNext : Arrival::kGap;
}

absl::Status CheckEventIdentity(const v1::Event& event, std::string_view origin) {
  const v1::EventId& id = event.id();
  if (id.origin() != origin) {
    return absl::InvalidArgumentError(
        fmt::format("event of origin \"{}\" in the session of node {}; a node sends only its own",
                    Escape(id.origin()), origin));
  }
  if (id.epoch() <= 0 || id.seq() <= 0) {
    return absl::InvalidArgumentError(
        fmt::format("event {}/{}: epoch and seq must be 1 or more", id.epoch(), id.seq()));
  }
  if (const std::size_t bytes = event.ByteSizeLong(); bytes > kMostEventBytes) {
    return absl::InvalidArgumentError(fmt::format("event {}/{} is {} bytes; at most {} are taken",
                                                  id.epoch(), id.seq(), bytes, kMostEventBytes));
  }
  if (event.kind() == v1::EVENT_KIND_EVENTS_LOST &&
      (event.lost().first_seq() <= 0 || event.lost().first_seq() > event.lost().last_seq() ||
       event.lost().last_seq() != id.seq())) {
    return absl::InvalidArgumentError(
        fmt::format("EVENTS_LOST {}/{} stands for {} to {}; it must end with its own seq",
                    id.epoch(), id.seq(), event.lost().first_seq(), event.lost().last_seq()));
  }
  return absl::OkStatus();
}

}  // namespace procctl::controller
