// The fleet's state as the shell holds it: the view and liveness behind one lock, and which session
// speaks for which node. Thread-safe. Never calls a session or the store with its lock held.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/synchronization/mutex.h"
#include "controller/core/fleet_view.h"
#include "controller/core/liveness.h"
#include "controller/core/mass_silence.h"
#include "controller/core/order_message.h"
#include "controller/rpc/session.h"
#include "controller/store/commit_log.h"
#include "controller/store/coordinator.h"

namespace procctl::controller {

class Fleet {
 public:
  // `log` takes the events of nodes that come and go, `coordinator` is told of those that are
  // forgotten.
  Fleet(const LivenessLimits& limits, CommitLog* log, Coordinator* coordinator);

  void AddKnown(const std::vector<std::string>& nodes);
  void AddForgotten(const std::vector<std::string>& nodes);

  // Every stream from its first moment, so that Tick and Drain reach it; Forget at its end.
  void Adopt(const std::shared_ptr<Session>& session);
  void Forget(const Session* session);

  // Makes `session` the one that speaks for `node` and supersedes the one before. False: a newer
  // one has begun meanwhile.
  bool Begin(const std::string& node, std::int64_t session_epoch, NodeFacts facts,
             const std::shared_ptr<Session>& session);
  // The session takes no more orders.
  void End(const std::string& node, std::int64_t session_epoch);

  // What a session hears. False, or kIgnored: it no longer speaks for its node.
  bool Heard(const std::string& node, std::int64_t session_epoch);
  FleetView::Applied ApplySnapshot(const std::string& node, std::int64_t session_epoch,
                                   const v1::SnapshotChunk& piece);
  FleetView::Applied ApplyDelta(const std::string& node, std::int64_t session_epoch,
                                const v1::SlotDelta& delta);
  // What follows for its rows from a heartbeat's digest. `skew`: as measured, if it was.
  DigestWatch::Act TakeHeartbeat(const std::string& node, std::int64_t session_epoch,
                                 const v1::NodeHeartbeat& heartbeat,
                                 std::optional<std::chrono::nanoseconds> skew);
  void SayGoodbye(const std::string& node, std::int64_t session_epoch, const std::string& why);

  // Drops the node's rows, and the session it may still have. Nothing is recorded by this.
  FleetView::Forgot ForgetNode(const std::string& node);

  // Nodes that are expected to have a session.
  std::size_t Size() const;

  // kTooOld: the node is of a version that does not know such orders.
  enum class Sent { kYes, kNotConnected, kNoSuchNode, kTooOld };
  Sent Send(const std::string& node, OrderMessage order);

  // How a node can be spoken to just now.
  struct Line {
    bool known = false;                // it was ever seen
    std::shared_ptr<Session> session;  // null: it is not connected
    std::int64_t session_epoch = 0;
    // What it understands beyond the first release.
    bool holds = false;
    bool details = false;
    bool programs = false;
  };
  Line LineTo(const std::string& node) const;

  // Judges nodes. `deaf`: this process heard nobody since the last tick, by its own fault. The
  // ticker's thread.
  void Tick(bool deaf);
  // Ticks one part of the sessions; the parts 0 to `parts` - 1 together are all. Ten thousand at
  // once, a part of which writes, would keep a processor from an order for ten milliseconds.
  void TickSessions(unsigned part, unsigned parts);

  // Calls `read` with the view locked against changes, not against other readers. Keep it short.
  void Read(const std::function<void(const FleetView&)>& read) const;

  // Whether changes of slots and of nodes' states are noted. What was noted is forgotten at once
  // when it is turned off.
  void NoteChanges(bool on);
  // What was noted since the last call.
  RowChanges::Taken TakeChanges();

  void StopReadingAll();
  // Each comes back at a time of its own.
  void DrainAll();

 private:
  std::vector<std::shared_ptr<Session>> All() const;
  void Announce(const StateChange& change);
  void Announce(const MassSilence::Outcome& outcome);

  CommitLog* const log_;
  Coordinator* const coordinator_;
  mutable absl::Mutex mutex_;
  Liveness liveness_ ABSL_GUARDED_BY(mutex_);
  FleetView view_ ABSL_GUARDED_BY(mutex_);
  MassSilence silence_ ABSL_GUARDED_BY(mutex_);
  RowChanges changes_ ABSL_GUARDED_BY(mutex_);
  struct Speaker {
    std::int64_t session_epoch = 0;
    std::weak_ptr<Session> session;  // empty after the session's end
  };
  absl::flat_hash_map<std::string, Speaker> speakers_ ABSL_GUARDED_BY(mutex_);
  // Streams are owned by gRPC; weak, so that a tick never keeps a dead one.
  absl::flat_hash_map<const Session*, std::weak_ptr<Session>> all_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace procctl::controller
