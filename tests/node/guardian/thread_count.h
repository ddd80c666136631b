// How many threads this process has, to know when detached ones have ended: nobody announces that.
#pragma once

#include <chrono>
#include <cstddef>
#include <filesystem>
#include <iterator>
#include <thread>

#include "node/os/clock.h"

namespace procctl::node {

inline size_t CountThreads() {
  return static_cast<size_t>(
      std::distance(std::filesystem::directory_iterator("/proc/self/task"), {}));
}

// False if there are still more than `most` after a minute.
inline bool WaitForThreads(size_t most) {
  for (const MonoTime end = MonoNow() + std::chrono::minutes(1); MonoNow() < end;) {
    if (CountThreads() <= most) return true;
    std::this_thread::yield();
  }
  return false;
}

}  // namespace procctl::node
