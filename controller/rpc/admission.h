// Whether anything new may begin: a list, a watch, a session. What is under way goes on. Set by the
// self-watch, asked by the handlers; thread-safe and cheap.
#pragma once

#include <atomic>

#include "absl/status/status.h"

namespace procctl::controller {

class Admission {
 public:
  // UNAVAILABLE, with a text for the caller, while the memory fuse is blown.
  absl::Status Check() const {
    if (!short_of_memory()) return absl::OkStatus();
    return absl::UnavailableError(
        "the controller is short of memory and begins nothing new (limits.memory); try again "
        "later");
  }

  void SetShortOfMemory(bool is_short) { short_of_memory_.store(is_short); }
  // Watches under way are cut while it is.
  bool short_of_memory() const { return short_of_memory_.load(std::memory_order_relaxed); }

 private:
  std::atomic<bool> short_of_memory_{false};
};

}  // namespace procctl::controller
