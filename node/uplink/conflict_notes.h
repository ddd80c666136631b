// Which refusals of a controller the guardian is told of: each once in a while, however often the
// node comes back to that controller. Pure.
#pragma once

#include <chrono>
#include <cstddef>
#include <map>
#include <string>

#include "node/uplink/boot_clock.h"

namespace procctl::uplink {

class ConflictNotes {
 public:
  static constexpr std::chrono::hours kAgain{1};
  static constexpr std::size_t kMost = 16;

  // True: tell this one, it is taken as told.
  bool Tell(const std::string& message, BootTime now);

 private:
  std::map<std::string, BootTime> told_;
};

}  // namespace procctl::uplink
