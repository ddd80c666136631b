// The end of the log as it grows: every event that is committed, a node's or the controller's own,
// in commit order with its position. Thread-safe; never blocks for long.
//
// Nothing is kept while nobody asks. Bounded in bytes: whoever takes too late learns that some
// events are only in the History.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "controller/store/commit_log.h"
#include "controller/store/history.h"

namespace procctl::controller {

class EventTail {
 public:
  static constexpr std::size_t kMostBytes = 16 << 20;

  // Where the log ended before this controller's start; before anything is committed.
  void StartAt(std::int64_t position);

  // The follower of the commit log.
  void OnCommitted(const Committed& committed);

  // Keeps what is committed from now on, or no more. Returns where the log ends at this moment.
  std::int64_t Keep(bool on);

  struct Taken {
    std::vector<LoggedEvent> events;
    // Where the log ends; everything of it that was kept is in `events` or was taken before.
    std::int64_t position = 0;
    // Some were dropped: `events` are not all.
    bool overflowed = false;
  };
  Taken Take();

 private:
  absl::Mutex mutex_;
  bool keeping_ ABSL_GUARDED_BY(mutex_) = false;
  std::size_t bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  Taken waiting_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace procctl::controller
