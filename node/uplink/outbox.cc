#include "node/uplink/outbox.h"

#include <algorithm>
#include <utility>

#include "proto/support/time_convert.h"

namespace procctl::uplink {
namespace {

std::chrono::nanoseconds Jittered(std::chrono::nanoseconds interval, double unit) {
  return std::chrono::nanoseconds(static_cast<std::chrono::nanoseconds::rep>(
      static_cast<double>(interval.count()) * (0.9 + 0.2 * unit)));
}

}  // namespace

std::chrono::nanoseconds HeartbeatInterval(const v1::Welcome& welcome) {
  const std::chrono::nanoseconds interval = FromProto(welcome.heartbeat_interval());
  if (interval < std::chrono::milliseconds(100) || interval > std::chrono::hours(1)) {
    return kDefaultHeartbeatInterval;
  }
  return interval;
}

Outbox::Outbox(const v1::Welcome& welcome, EventPosition replay_until, RecordOrigin origin,
               BootTime now, double unit)
    : events_(welcome, std::move(origin)),
      replay_until_(replay_until),
      replay_patience_ends_(now + kReplayPatience),
      heartbeat_interval_(HeartbeatInterval(welcome)),
      heartbeat_due_(now + Jittered(heartbeat_interval_, unit)) {}

bool Outbox::Replaying(BootTime now, const EventWindow& events) {
  if (!replaying_) return false;
  if (events_.position() >= replay_until_) {
    replaying_ = false;
  } else if (!events_.HasMore(events)) {
    // The rest lies in the spool alone; or there was nothing to replay.
    replaying_ = events.beyond() && now < replay_patience_ends_;
  }
  return replaying_;
}

std::optional<v1::SessionRequest> Outbox::Next(const Moment& moment, const EventWindow& events,
                                               SlotMirror* slots) {
  v1::SessionRequest request;
  bool filled = false;
  if (!details_.empty()) {
    *request.mutable_detail() = std::move(details_.front());
    details_.pop_front();
    filled = true;
  }
  if (!filled && Replaying(moment.now, events)) {
    filled = TakeEvents(moment, events, &request);
    // Patience is with a spool that does not deliver, not with a long backlog.
    if (filled) replay_patience_ends_ = moment.now + kReplayPatience;
  }
  if (!filled && !Replaying(moment.now, events)) {
    // In turns, so that neither a large snapshot delays a verdict nor a storm of events hides the
    // slots.
    slots_turn_ = !slots_turn_;
    filled = slots_turn_
                 ? TakeSlots(moment.now, slots, &request) || TakeEvents(moment, events, &request)
                 : TakeEvents(moment, events, &request) || TakeSlots(moment.now, slots, &request);
  }
  if (!filled && moment.now >= heartbeat_due_) {
    v1::NodeHeartbeat* heartbeat = request.mutable_heartbeat();
    heartbeat->set_revision(slots->told_revision());
    heartbeat->set_events_waiting(moment.events_waiting);
    *heartbeat->mutable_clock() = ToProto(moment.wall);
    filled = true;
  }
  if (!filled) return std::nullopt;
  heartbeat_due_ = moment.now + Jittered(heartbeat_interval_, moment.unit);
  return request;
}

bool Outbox::TakeEvents(const Moment& moment, const EventWindow& events,
                        v1::SessionRequest* request) {
  if (!events_.HasMore(events)) return false;
  v1::EventBatch batch = events_.NextBatch(events, moment.wall);
  if (batch.events().empty()) return false;
  *request->mutable_events() = std::move(batch);
  return true;
}

bool Outbox::TakeSlots(BootTime now, SlotMirror* slots, v1::SessionRequest* request) {
  if (!slots->ready()) return false;
  if (slots->overflowed()) snapshot_wanted_ = true;
  if (snapshot_wanted_) {
    snapshot_wanted_ = false;
    ++snapshot_number_;
    snapshot_rows_ = slots->BeginSnapshot();
    snapshot_next_ = 0;
    snapshot_revision_ = slots->told_revision();
  }
  if (snapshot_rows_.has_value()) {
    v1::SnapshotChunk* chunk = request->mutable_snapshot_chunk();
    chunk->set_snapshot(snapshot_number_);
    chunk->set_revision(snapshot_revision_);
    snapshot_next_ = slots->FillChunk(*snapshot_rows_, snapshot_next_, chunk);
    chunk->set_last(snapshot_next_ == snapshot_rows_->size());
    if (chunk->last()) snapshot_rows_.reset();
    return true;
  }
  const std::optional<BootTime> due = slots->DeltaDueAt();
  if (!due.has_value() || now < *due) return false;
  *request->mutable_delta() = slots->TakeDelta();
  return true;
}

BootTime Outbox::WakeAt(const EventWindow& events, const SlotMirror& slots) const {
  BootTime wake = heartbeat_due_;
  if (const std::optional<BootTime> due = slots.DeltaDueAt()) wake = std::min(wake, *due);
  if (replaying_ && events.beyond()) wake = std::min(wake, replay_patience_ends_);
  return wake;
}

}  // namespace procctl::uplink
