// The one thread that writes: takes whatever waits, runs it in one transaction, commits once (group
// commit: the slower the disk, the larger the group), then tells each job. A database that fails is
// tried again until it works or the writer stops; jobs wait meanwhile, nothing that was taken is
// dropped. What nobody sends again by itself (requests, events of the controller's own) is taken
// only up to a bound.
#pragma once

#include <atomic>
#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "controller/core/alarm.h"
#include "controller/store/checkpointer.h"
#include "controller/store/disk_state.h"
#include "controller/store/sqlite.h"
#include "controller/store/writer_tables.h"

namespace procctl::controller {

// Made on any thread; everything below runs on the writer thread.
class WriteJob {
 public:
  virtual ~WriteJob() = default;
  // Inside the transaction; again from the start if that had to be rolled back. An error means that
  // the database failed, not that the job was refused: a refusal is a result and is told by
  // Committed().
  virtual absl::Status Run(WriterTables* tables) = 0;
  virtual void Committed() = 0;
  // On the calling thread of Submit where the job was not taken.
  virtual void Abandoned(const absl::Status& why) = 0;
  // What it weighs while it waits. The same each time it is asked before it has run.
  virtual std::size_t Bytes() const = 0;
  virtual std::size_t Rows() const = 0;
};

class Writer {
 public:
  // Events of the controller's own, as a job that records them and calls nobody.
  using RecordOwn = std::function<std::unique_ptr<WriteJob>(v1::Event)>;

  // What requests and own events may hold while they wait, beside what nodes do.
  static constexpr std::size_t kMostBoundedBytes = 16 << 20;
  // A log longer than this is an alarm: readers, or a disk that is too slow, keep it from being
  // moved into the database.
  static constexpr int kLongLogPages = 65536;  // 256 MiB

  // `checkpointer` is told how long the log has become; it must outlive the writer.
  Writer(Database database, Checkpointer* checkpointer, RecordOwn record_own);
  ~Writer();

  // Any thread, never blocks. After Stop, and so maybe on the calling thread, the job is abandoned.
  void Submit(std::unique_ptr<WriteJob> job);
  // The same, but abandoned too, with UNAVAILABLE, while kMostBoundedBytes of such jobs wait.
  void SubmitBounded(std::unique_ptr<WriteJob> job);

  std::size_t WaitingBytes() const { return waiting_bytes_.load(std::memory_order_relaxed); }
  DiskState disk() const;

  // Commits what waits (one last try, if the disk fails) and ends the thread.
  void Stop();

 private:
  struct Waiting {
    std::unique_ptr<WriteJob> job;
    std::size_t bytes = 0;
    bool bounded = false;
  };
  using Group = std::vector<Waiting>;

  void Take(std::unique_ptr<WriteJob> job, bool bounded);
  void Loop();
  bool TakeGroup(Group* group);
  absl::Status CommitGroup(const Group& group);
  absl::Status RunGroup(const Group& group);
  bool StopsWithin(absl::Duration pause);
  void Fails(const absl::Status& why);
  void Works();
  void JudgeLog();
  void Record(v1::Event event);

  // Touched by the writer thread only, once it runs.
  Database database_;
  WriterTables tables_;
  Checkpointer* checkpointer_;
  const RecordOwn record_own_;
  Alarm disk_alarm_;
  Alarm log_alarm_;
  int log_pages_ = 0;

  mutable absl::Mutex mutex_;
  std::deque<Waiting> jobs_ ABSL_GUARDED_BY(mutex_);
  std::size_t bounded_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  DiskState disk_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::atomic<std::size_t> waiting_bytes_{0};
  std::thread thread_;
};

}  // namespace procctl::controller
