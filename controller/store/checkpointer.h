// Moves the write-ahead log into the database on a thread and a connection of its own, so that no
// commit waits for it. A log that commits keep adding to is never moved as a whole that way: once
// it is long, what little is left is moved while commits wait, some tens of milliseconds, and the
// log begins anew.
#pragma once

#include <thread>

#include "absl/synchronization/mutex.h"
#include "controller/store/sqlite.h"

namespace procctl::controller {

class Checkpointer {
 public:
  explicit Checkpointer(Database database);
  ~Checkpointer();

  // Any thread; cheap. Called after every commit with the length of the log.
  void LogHasPages(int pages);

 private:
  void Loop();
  // How many pages of the log are in the database; -1: none, it failed.
  int Checkpoint(int mode);

  Database database_;  // its thread only
  absl::Mutex mutex_;
  int pages_ ABSL_GUARDED_BY(mutex_) = 0;
  // The log must be so long before it is looked at again.
  int worthwhile_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace procctl::controller
