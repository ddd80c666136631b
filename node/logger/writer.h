// The thread that writes files and to the journal, and the queue before it. Only this thread waits
// for disks; nobody waits for the journal.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "node/core/mono_time.h"
#include "node/logger/backlog.h"
#include "node/logger/journal_socket.h"
#include "node/logger/ledger.h"
#include "node/logger/outlet.h"
#include "node/logger/sink.h"

namespace procctl::logger {

// Methods may be called by any thread, and never wait for a disk.
class Writer {
 public:
  static constexpr size_t kLabelLimit = size_t{1} << 20;
  static constexpr size_t kTotalLimit = size_t{32} << 20;

  // Called without any lock, from the writer's thread, or from the one that calls CheckStall.
  struct Listener {
    // Lanes may be Roomy again.
    std::function<void()> room;
    // Something new is in the file.
    std::function<void()> written;
    std::function<void(const std::string& label, const std::string& why, bool mended)> trouble;
  };

  // `journal_socket`: where the system's journal takes entries.
  Writer(Listener listener, const std::string& journal_socket);
  // Waits for a call that waits for a disk: leave the process by _exit instead if Finish said no.
  ~Writer();
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  // Of one program into one file, or into the journal. `ledger` may be null.
  LaneId Open(const std::string& label, std::shared_ptr<Outlet> outlet, size_t limit,
              std::shared_ptr<Ledger> ledger);
  void SetLimit(LaneId id, size_t limit);
  // What is in it is still written.
  void Close(LaneId id);

  void Put(LaneId id, int64_t source, std::string_view bytes);
  void AddLost(LaneId id, int64_t bytes);
  // False: leave it in the FIFO for now, there is no room and the disk works.
  bool Wants(LaneId id) const;

  struct Lost {
    std::string label;
    int64_t bytes = 0;
    std::string why;
  };
  // Since the last call.
  std::vector<Lost> TakeLost();

  // True while there is something to write.
  bool busy() const;
  // Says so, once, if the disk has not answered for kStallTold. Call now and then while busy().
  void CheckStall();

  // Waits until all is written that can be, `patience` at most. True if it was.
  bool Finish(node::Nanos patience);

 private:
  // A write that takes so long makes nobody wait any more: what does not fit is dropped.
  static constexpr node::Nanos kStall = std::chrono::milliseconds(500);
  static constexpr node::Nanos kStallTold = std::chrono::seconds(1);
  static constexpr node::Nanos kRetry = std::chrono::seconds(1);
  // A journal that is busy is tried again after the first; while it takes nothing, each time after
  // twice as long. Far less than JournalSocket::kStall, or a busy one would look stopped.
  static constexpr node::Nanos kFirstPause = std::chrono::milliseconds(1);
  static constexpr node::Nanos kMostPause = std::chrono::milliseconds(20);

  struct Route {
    std::string label;
    std::shared_ptr<Outlet> outlet;
    std::shared_ptr<Ledger> ledger;
  };
  struct Trouble {
    node::MonoTime retry_at;
    std::string label;
    std::string why;
  };

  void Run();
  // One piece, if any may be written now. Unlocks meanwhile.
  bool WriteOneLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  std::optional<LaneId> NextLocked(node::MonoTime now) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // When the first of what waits may be tried again; none: nothing waits.
  std::optional<node::MonoTime> RetryAtLocked() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // After a write: whether a journal that is busy is to be left alone for a moment.
  void PauseJournalLocked(bool busy, bool moved) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void ForgetClosedLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const Listener listener_;

  mutable absl::Mutex mutex_;
  absl::CondVar changed_;
  bool stop_ ABSL_GUARDED_BY(mutex_) = false;
  Backlog backlog_ ABSL_GUARDED_BY(mutex_){kTotalLimit};
  std::map<LaneId, Route> routes_ ABSL_GUARDED_BY(mutex_);
  std::map<const Outlet*, Trouble> troubles_ ABSL_GUARDED_BY(mutex_);
  // For all programs: it is one journal. The turns go on from program to program, so that none of
  // them starves.
  node::MonoTime journal_pause_until_ ABSL_GUARDED_BY(mutex_);
  node::Nanos journal_pause_ ABSL_GUARDED_BY(mutex_){0};
  std::vector<Lost> lost_ ABSL_GUARDED_BY(mutex_);
  // A lane was found full, so that somebody waits to hear of room.
  mutable bool room_wanted_ ABSL_GUARDED_BY(mutex_) = false;
  // The write under way.
  std::optional<node::MonoTime> writing_since_ ABSL_GUARDED_BY(mutex_);
  Route writing_ ABSL_GUARDED_BY(mutex_);
  bool stall_told_ ABSL_GUARDED_BY(mutex_) = false;

  // The writer's thread only.
  JournalSocket journal_;
  std::map<const Outlet*, std::unique_ptr<Sink>> sinks_;

  std::thread thread_;
};

}  // namespace procctl::logger
