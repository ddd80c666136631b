// How many threads this process has, to know when detached ones have ended: nobody announces that.
#pragma once

#include <chrono>
#include <cstddef>
#include <filesystem>
#include <iterator>
#include <thread>

#include "node/os/clock.h"

namespace procctl::node {

// What there is of them while none of ours runs: the test's own, and one of the sanitizer's that
// begins with the first thread started.
#if defined(__SANITIZE_THREAD__)
inline constexpr size_t kThreadsAtRest = 2;
#else
inline constexpr size_t kThreadsAtRest = 1;
#endif

inline size_t CountThreads() {
  return static_cast<size_t>(
      std::distance(std::filesystem::directory_iterator("/proc/self/task"), {}));
}

// False if some are still there after a minute.
inline bool WaitUntilThreadsRest() {
  for (const MonoTime end = MonoNow() + std::chrono::minutes(1); MonoNow() < end;) {
    if (CountThreads() <= kThreadsAtRest) return true;
    std::this_thread::yield();
  }
  return false;
}

}  // namespace procctl::node
