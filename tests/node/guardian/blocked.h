#pragma once

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace procctl::node {

// Readers that block until the test lets them go. Shared, as readers outlive the desk.
struct Blocked {
  absl::Mutex mutex;
  bool open = false;
  int inside = 0;
  int left = 0;

  void Pass() {
    absl::MutexLock lock(&mutex);
    ++inside;
    mutex.Await(absl::Condition(&open));
    ++left;
  }
  void Open() {
    const absl::MutexLock lock(&mutex);
    open = true;
  }
  void WaitUntilInside(int count) {
    const auto enough = [&] { return inside >= count; };
    const absl::MutexLock lock(&mutex);
    mutex.Await(absl::Condition(&enough));
  }
};

}  // namespace procctl::node
