// The one thread that writes: takes whatever waits, runs it in one transaction, commits once (group
// commit: the slower the disk, the larger the group), then tells each job. A database that fails is
// tried again until it works or the writer stops; jobs wait meanwhile, nothing is dropped.
#pragma once

#include <atomic>
#include <cstddef>
#include <deque>
#include <memory>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "controller/store/checkpointer.h"
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
  virtual void Abandoned(const absl::Status& why) = 0;
  // What it weighs while it waits.
  virtual std::size_t Bytes() const = 0;
  virtual std::size_t Rows() const = 0;
};

class Writer {
 public:
  // `checkpointer` is told how long the log has become; it must outlive the writer.
  Writer(Database database, Checkpointer* checkpointer);
  ~Writer();

  // Any thread, never blocks. After Stop, and so maybe on the calling thread, the job is abandoned.
  void Submit(std::unique_ptr<WriteJob> job);

  std::size_t WaitingBytes() const { return waiting_bytes_.load(std::memory_order_relaxed); }

  // Commits what waits (one last try, if the disk fails) and ends the thread.
  void Stop();

 private:
  using Group = std::vector<std::unique_ptr<WriteJob>>;
  void Loop();
  bool TakeGroup(Group* group);
  absl::Status CommitGroup(const Group& group);
  bool StopsWithin(absl::Duration pause);

  // Touched by the writer thread only, once it runs.
  Database database_;
  WriterTables tables_;
  Checkpointer* checkpointer_;

  mutable absl::Mutex mutex_;
  std::deque<std::unique_ptr<WriteJob>> jobs_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::atomic<std::size_t> waiting_bytes_{0};
  std::thread thread_;
};

}  // namespace procctl::controller
