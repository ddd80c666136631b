// The spool: what the node must not lose, written by one thread of its own.
//
// No caller ever waits for the disk (SaveFence: bounded). What cannot be written stays in
// memory and is tried again each second; while that lasts nothing is reported as spooled, so the
// guardian keeps it too. Commits group themselves: whatever came while the last commit ran goes
// into the next one.
//
// Thread-safe. Calls may hold any lock of the caller's; the listener is called from the spool's
// thread with no lock of the spool's held.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "node/uplink/event_window.h"
#include "node/uplink/spool_db.h"

namespace procctl::uplink {

class SpoolListener {
 public:
  virtual ~SpoolListener() = default;
  // The spool was opened: at the start, or later if it could not be opened at first.
  virtual void OnSpoolLoaded(SpoolContent content) = 0;
  // A damaged database was replaced by an empty one. Returns the unacknowledged events that are
  // still in memory, in order: they are written again.
  virtual std::vector<v1::Event> OnSpoolReplaced() = 0;
  // Events were written, so there is room in the queue; those of the present guardian up to `seq`
  // are on disk.
  virtual void OnSpooled(std::int64_t seq) = 0;
  virtual void OnIntentsWritten(std::uint64_t ticket) = 0;
  virtual void OnFolded(std::vector<v1::Event> records) = 0;
  virtual void OnPage(EventPosition after, std::vector<v1::Event> events,
                      EventPosition scanned) = 0;
};

class Spool {
 public:
  // Events that may wait to be written; above it the link stops reading (Full).
  static constexpr std::size_t kMaxQueued = 20'000;
  static constexpr std::size_t kMaxQueuedBytes = 32 << 20;

  // `listener` must outlive Stop (or the process, if Stop fails).
  Spool(SpoolOptions options, SpoolListener* listener);
  ~Spool();
  Spool(const Spool&) = delete;
  Spool& operator=(const Spool&) = delete;

  // Starts the thread; waits until the database is open or has refused, `patience` at most.
  void Start(std::chrono::milliseconds patience);
  // Writes what is queued, `patience` at most, and ends the thread. False if the disk did not
  // answer: the thread is stuck in it, and the process must leave by _exit.
  bool Stop(std::chrono::milliseconds patience);

  // An event in the order of its number.
  void Add(const v1::Event& event);
  bool Full() const;
  // The disk is known not to take anything at present.
  bool Broken() const;
  // A controller has committed these: they need not be kept, nor written.
  void Acknowledge(EventPosition upto);
  // Events to page in; the answer is OnPage. One at a time: a new request replaces the old one.
  void Request(const EventWindow::Page& page);
  // Returns the ticket for OnIntentsWritten.
  std::uint64_t AddIntent(OrderRecord record);
  // Waits until it is on disk. False if that failed or took longer: it will still be written later.
  // Each takes the place of the one before.
  bool SaveFence(const Fence& fence, std::chrono::milliseconds patience);

  // Unacknowledged events in the spool and on their way into it.
  std::int64_t waiting() const;
  // Which they are; nullopt: the disk has not said yet what is on it.
  std::optional<HeldSpans> Held() const;

 private:
  void Run();
  bool HasWorkLocked() const ABSL_SHARED_LOCKS_REQUIRED(mutex_);
  bool IdleLocked() const ABSL_SHARED_LOCKS_REQUIRED(mutex_);
  void PushBackLocked(SpooledEvent event) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void PushFrontLocked(SpooledEvent event) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  SpooledEvent PopFrontLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  // On the spool's thread, with the lock held on entry and exit, released while the disk works.
  void OpenLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void WriteLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void PageLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void FailedLocked(const absl::Status& status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void WorksLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void ReplaceLocked(const absl::Status& why) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const SpoolOptions options_;
  SpoolListener* const listener_;
  std::thread thread_;
  // Only the spool's thread touches these.
  std::unique_ptr<SpoolDb> db_;
  bool intents_went_alone_ = false;

  mutable absl::Mutex mutex_;
  std::deque<SpooledEvent> queue_ ABSL_GUARDED_BY(mutex_);
  std::size_t queued_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  // Of events that were acknowledged before they were written: what remains to be written of them.
  std::int64_t covered_seq_ ABSL_GUARDED_BY(mutex_) = 0;
  std::vector<std::string> decided_orders_ ABSL_GUARDED_BY(mutex_);
  std::vector<EventPosition> acknowledged_ ABSL_GUARDED_BY(mutex_);
  std::vector<OrderRecord> intents_ ABSL_GUARDED_BY(mutex_);
  std::uint64_t last_ticket_ ABSL_GUARDED_BY(mutex_) = 0;
  // The fence to be kept, which one that is, and which one is on disk.
  Fence fence_ ABSL_GUARDED_BY(mutex_);
  std::int64_t wanted_fence_ ABSL_GUARDED_BY(mutex_) = 0;
  std::int64_t saved_fence_ ABSL_GUARDED_BY(mutex_) = 0;
  std::optional<EventWindow::Page> page_ ABSL_GUARDED_BY(mutex_);
  std::int64_t rows_ ABSL_GUARDED_BY(mutex_) = 0;
  // Of the database, with what is on its way into it.
  HeldSpans held_ ABSL_GUARDED_BY(mutex_);
  bool loaded_ ABSL_GUARDED_BY(mutex_) = false;
  bool tried_open_ ABSL_GUARDED_BY(mutex_) = false;
  bool broken_ ABSL_GUARDED_BY(mutex_) = false;
  bool stop_ ABSL_GUARDED_BY(mutex_) = false;
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace procctl::uplink
