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
      heartbeat_due_(now + Jittered(heartbeat_interval_, unit)),
      report_due_(now + kDigestEvery * Jittered(heartbeat_interval_, unit)),
      snapshot_not_before_(now + std::clamp<std::chrono::nanoseconds>(
                                     FromProto(welcome.snapshot_delay()),
                                     std::chrono::nanoseconds(0), kMaxSnapshotDelay)) {}

void Outbox::Heard(const v1::ControllerHeartbeat& heartbeat, BootTime now) {
  // One of an older controller says no time.
  if (!heartbeat.has_clock()) return;
  heard_ = heartbeat;
  heard_at_ = now;
}

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
  if (!filled && ReportDue(moment.now, *slots)) {
    TakeHeartbeat(moment, *slots, request.mutable_heartbeat());
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
    TakeHeartbeat(moment, *slots, request.mutable_heartbeat());
    filled = true;
  }
  if (!filled) return std::nullopt;
  heartbeat_due_ = moment.now + Jittered(heartbeat_interval_, moment.unit);
  return request;
}

bool Outbox::ReportDue(BootTime now, const SlotMirror& slots) const {
  if (now < report_due_) return false;
  return Digest(slots).has_value() || now >= report_due_ + kDigestPatience;
}

std::optional<std::uint64_t> Outbox::Digest(const SlotMirror& slots) const {
  if (snapshot_number_ == 0 || snapshot_wanted_ || snapshot_rows_.has_value()) return std::nullopt;
  return slots.ToldDigest();
}

void Outbox::TakeHeartbeat(const Moment& moment, const SlotMirror& slots,
                           v1::NodeHeartbeat* heartbeat) {
  heartbeat->set_revision(slots.told_revision());
  heartbeat->set_events_waiting(moment.events_waiting);
  *heartbeat->mutable_clock() = ToProto(moment.wall);
  heartbeat->set_load_per_mille(moment.load_per_mille);
  *heartbeat->mutable_lag() = ToProto(moment.lag);
  if (heard_.has_value()) {
    *heartbeat->mutable_echo() = heard_->clock();
    *heartbeat->mutable_echo_age() = ToProto(moment.now - heard_at_);
  }
  // One that was late for want of other silence stands for all that did not go out.
  without_digest_ = moment.now >= report_due_ ? kDigestEvery : without_digest_ + 1;
  if (without_digest_ >= kDigestEvery) {
    if (const std::optional<std::uint64_t> digest = Digest(slots)) {
      heartbeat->set_digest(*digest);
      without_digest_ = 0;
    }
  }
  report_due_ = moment.now + kDigestEvery * Jittered(heartbeat_interval_, moment.unit);
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
    if (now < snapshot_not_before_) return false;
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
  BootTime wake = report_due_;
  if (!Digest(slots).has_value()) wake += kDigestPatience;
  wake = std::min(wake, heartbeat_due_);
  if (const std::optional<BootTime> due = slots.DeltaDueAt()) wake = std::min(wake, *due);
  if (!replaying_ && snapshot_wanted_ && slots.ready()) wake = std::min(wake, snapshot_not_before_);
  if (replaying_ && events.beyond()) wake = std::min(wake, replay_patience_ends_);
  return wake;
}

}  // namespace procctl::uplink
