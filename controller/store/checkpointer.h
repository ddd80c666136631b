// Moves the write-ahead log into the database on a thread and a connection of its own, so that no
// commit waits for it.
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

  Database database_;  // its thread only
  absl::Mutex mutex_;
  int pages_ ABSL_GUARDED_BY(mutex_) = 0;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace procctl::controller
