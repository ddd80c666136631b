// Decides what one session sends next. Pure: clock and randomness come in; the caller locks and
// writes.
//
// Order of one session: events above the controller's cursors, then a snapshot of the rows (not
// before its time, where the controller named one), then deltas, events and heartbeats as they
// come. A controller can ask for a new snapshot at any time.
//
// A heartbeat goes out when nothing else did for an interval, and after six intervals also from a
// node that is never silent: it says more than that the node lives.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <deque>
#include <optional>
#include <utility>
#include <vector>

#include "node/uplink/boot_clock.h"
#include "node/uplink/event_sender.h"
#include "node/uplink/event_window.h"
#include "node/uplink/slot_mirror.h"
#include "procctl/v1/node_service.pb.h"

namespace procctl::uplink {

// Used where a controller names none, or none that makes sense (allowed: 100 ms to 1 h).
inline constexpr std::chrono::seconds kDefaultHeartbeatInterval{10};
// A spool that cannot deliver what is to be replayed does not hold up the slots for longer.
inline constexpr std::chrono::seconds kReplayPatience{3};
// Heartbeats, or intervals without one, from one digest of all rows to the next.
inline constexpr int kDigestEvery = 6;
// A heartbeat that is due on a node that is never silent waits so long for a moment in which every
// change was told, so that it can hold a digest.
inline constexpr std::chrono::seconds kDigestPatience{1};
// No controller has a reason to wait longer for the rows.
inline constexpr std::chrono::minutes kMaxSnapshotDelay{5};

std::chrono::nanoseconds HeartbeatInterval(const v1::Welcome& welcome);

class Outbox {
 public:
  // `replay_until`: the newest event at Welcome; the snapshot comes behind it.
  Outbox(const v1::Welcome& welcome, EventPosition replay_until, RecordOrigin origin, BootTime now,
         double unit);

  // What the moment adds. `unit`: random in [0, 1), for jitter.
  struct Moment {
    BootTime now;
    std::chrono::system_clock::time_point wall;
    double unit = 0;
    std::int64_t events_waiting = 0;
    // For a heartbeat.
    std::int32_t load_per_mille = 0;
    std::chrono::nanoseconds lag{0};
  };

  // The next message, taken as sent; nullopt: nothing until WakeAt or until something changes.
  std::optional<v1::SessionRequest> Next(const Moment& moment, const EventWindow& events,
                                         SlotMirror* slots);

  // When Next may have something although nothing changed.
  BootTime WakeAt(const EventWindow& events, const SlotMirror& slots) const;

  // A heartbeat may be due: what a Moment says for it should be true now.
  bool HeartbeatDue(BootTime now) const { return now >= std::min(heartbeat_due_, report_due_); }

  // The controller's word goes before the time it named at first.
  void RequestSnapshot() {
    snapshot_wanted_ = true;
    snapshot_not_before_ = {};
  }

  // The controller said what time it is.
  void Heard(const v1::ControllerHeartbeat& heartbeat, BootTime now);

  // An answer to the controller: a person waits for it, so it goes before everything else. As many
  // as were asked for at most.
  void AddDetail(v1::DetailReply reply) { details_.push_back(std::move(reply)); }

  // Highest seq of the epoch that the controller can know of. An acknowledgement above it is not
  // believed.
  std::int64_t sent(std::int64_t epoch) const { return events_.sent(epoch); }

 private:
  // Once false it stays so.
  bool Replaying(BootTime now, const EventWindow& events);
  bool TakeEvents(const Moment& moment, const EventWindow& events, v1::SessionRequest* request);
  bool TakeSlots(BootTime now, SlotMirror* slots, v1::SessionRequest* request);
  bool ReportDue(BootTime now, const SlotMirror& slots) const;
  void TakeHeartbeat(const Moment& moment, const SlotMirror& slots, v1::NodeHeartbeat* heartbeat);
  // nullopt unless the controller holds all rows as they are.
  std::optional<std::uint64_t> Digest(const SlotMirror& slots) const;

  EventSender events_;
  bool replaying_ = true;
  EventPosition replay_until_;
  BootTime replay_patience_ends_;
  std::chrono::nanoseconds heartbeat_interval_;
  BootTime heartbeat_due_;
  // The heartbeat that goes out whatever else does.
  BootTime report_due_;
  int without_digest_ = 0;
  std::optional<v1::ControllerHeartbeat> heard_;
  BootTime heard_at_;

  std::deque<v1::DetailReply> details_;

  bool snapshot_wanted_ = true;
  BootTime snapshot_not_before_;
  std::int64_t snapshot_number_ = 0;
  std::optional<std::vector<RowKey>> snapshot_rows_;
  std::size_t snapshot_next_ = 0;
  std::int64_t snapshot_revision_ = 0;
  bool slots_turn_ = false;
};

}  // namespace procctl::uplink
