// Where link, spool and session meet: what the guardian said, what a controller has and has not
// heard, and what is on its way back. Every decision is taken by a pure part (event_window,
// slot_mirror, outbox, order_journal, pending_orders, welcome_rules); the relay holds them under
// one lock and carries facts between them. It never touches a disk, a socket or gRPC.
//
// Threads: link (main), the spool's, and per session a reader and a writer. Lock order: the relay's
// lock, then the spool's.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "node/uplink/boot_clock.h"
#include "node/uplink/conflict_notes.h"
#include "node/uplink/event_window.h"
#include "node/uplink/fence.h"
#include "node/uplink/order_journal.h"
#include "node/uplink/outbox.h"
#include "node/uplink/pending_details.h"
#include "node/uplink/pending_orders.h"
#include "node/uplink/slot_mirror.h"
#include "node/uplink/spool.h"
#include "node/uplink/unjournaled_orders.h"
#include "node/uplink/wake_fd.h"
#include "procctl/v1/link.pb.h"
#include "procctl/v1/node_service.pb.h"

namespace procctl::uplink {

class Relay : public SpoolListener {
 public:
  // Events in memory for a session.
  static constexpr std::size_t kWindow = 20'000;

  // `hello` must have a node id, a state folder and an epoch. `link_wake` is woken when TakeDown
  // may have something, or when paused() may have changed.
  Relay(const v1::LinkHello& hello, WakeFd* link_wake);

  Spool& spool() { return spool_; }

  // ---- Link thread.

  void OnSlots(v1::LinkSlots slots);
  void OnEvents(v1::LinkEvents events);
  void OnDetail(v1::DetailReply reply);
  // The guardian ends in good order.
  void OnGoodbye(const v1::LinkGoodbye& goodbye);
  // What could not be understood: rows may be missing, so the guardian is asked for all of them.
  void OnMalformed();
  // True while nothing more can be taken in: leave it with the guardian.
  bool paused() const { return spool_.Full(); }

  // The next message to the guardian, if one may go now. Call Sent when it is out, or leave it and
  // ask again: it stays first.
  std::optional<v1::LinkDown> NextDown();
  void DownSent(const v1::LinkDown& message);
  // When NextDown may have something although nobody woke the link.
  std::optional<BootTime> DownDueAt() const;

  // ---- Session threads.

  // Of a new session; ends what is left of the one before.
  v1::Hello BeginSession();
  // Reader.
  absl::Status OnWelcome(const v1::Welcome& welcome);
  void OnEventAck(const v1::EventAck& ack);
  void OnOrder(v1::Order order);
  void OnHold(v1::HoldOrder order);
  void OnProgram(v1::ProgramOrder order);
  void OnDetailRequest(v1::DetailRequest request);
  void OnResync(const v1::Resync& resync);
  void OnHeartbeat(const v1::ControllerHeartbeat& heartbeat);
  // Writer: waits for the next message; nullopt: the session is over.
  std::optional<v1::SessionRequest> NextRequest();
  // Any thread: waits until a controller has committed everything, `patience` at most, and only
  // while there is a session: a node that stops in good order should be seen to.
  void AwaitDelivered(std::chrono::milliseconds patience);
  // Any thread: NextRequest gives the guardian's Goodbye, if there was one and a controller
  // listens, and then nullopt.
  void FinishSession();
  // Any thread: NextRequest gives nullopt from now on.
  void EndSession();
  // Any thread: something that should have run at `due` runs only now.
  void NoteLateness(BootTime due, BootTime now);

  // ---- The spool's thread.

  void OnSpoolLoaded(SpoolContent content) override;
  std::vector<v1::Event> OnSpoolReplaced() override;
  void OnSpooled(std::int64_t seq) override;
  void OnIntentsWritten(std::uint64_t ticket) override;
  void OnFolded(std::vector<v1::Event> records) override;
  void OnPage(EventPosition after, std::vector<v1::Event> events, EventPosition scanned) override;

 private:
  // `Order`: one of those without a journal.
  template <typename Order>
  void PassOn(const char* what, Order order);
  void AcceptLocked(v1::Event event) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void AcknowledgeLocked(EventPosition upto) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void WantPageLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void ChangedLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { changed_.Signal(); }
  void EndLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // OK, or why a controller with a better claim is known; the guardian is told then.
  absl::Status JudgeLocked(const v1::Welcome& welcome) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void NoteLatenessLocked(BootTime due, BootTime now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  double UnitLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const v1::LinkHello hello_;
  const RecordOrigin origin_;
  // Of this life.
  const std::string instance_;
  WakeFd* const link_wake_;

  mutable absl::Mutex mutex_;
  // Something changed that the session's writer may want to send.
  absl::CondVar changed_;
  std::mt19937_64 random_ ABSL_GUARDED_BY(mutex_);

  SlotMirror slots_ ABSL_GUARDED_BY(mutex_);
  EventWindow events_ ABSL_GUARDED_BY(mutex_){kWindow};
  // Last seq of the present guardian that was taken in.
  std::int64_t received_ ABSL_GUARDED_BY(mutex_) = 0;
  // The spool said what it holds, so that a missing number is truly missing.
  bool spool_loaded_ ABSL_GUARDED_BY(mutex_) = false;
  bool page_requested_ ABSL_GUARDED_BY(mutex_) = false;

  OrderJournal journal_ ABSL_GUARDED_BY(mutex_);
  PendingOrders orders_ ABSL_GUARDED_BY(mutex_);
  UnjournaledOrders unjournaled_ ABSL_GUARDED_BY(mutex_);
  // Of the present session.
  PendingDetails details_ ABSL_GUARDED_BY(mutex_);
  bool late_intent_logged_ ABSL_GUARDED_BY(mutex_) = false;

  // To the guardian: last seq that it may forget, and what it was told.
  std::int64_t spooled_ ABSL_GUARDED_BY(mutex_) = 0;
  std::int64_t spooled_told_ ABSL_GUARDED_BY(mutex_) = 0;
  bool snapshot_request_ ABSL_GUARDED_BY(mutex_) = false;

  // Refused controllers that the guardian is to record.
  std::deque<std::string> conflicts_ ABSL_GUARDED_BY(mutex_);
  ConflictNotes conflict_notes_ ABSL_GUARDED_BY(mutex_);

  Fence fence_ ABSL_GUARDED_BY(mutex_);
  std::optional<Outbox> outbox_ ABSL_GUARDED_BY(mutex_);
  // Who welcomed the present session.
  v1::Welcome welcome_ ABSL_GUARDED_BY(mutex_);
  bool session_over_ ABSL_GUARDED_BY(mutex_) = true;
  bool finishing_ ABSL_GUARDED_BY(mutex_) = false;
  std::optional<v1::Goodbye> goodbye_ ABSL_GUARDED_BY(mutex_);
  // Worst lateness since the last heartbeat.
  std::chrono::nanoseconds lag_ ABSL_GUARDED_BY(mutex_){0};

  Spool spool_;
};

}  // namespace procctl::uplink
