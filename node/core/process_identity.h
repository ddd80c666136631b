// One life of a process within one boot. A pid alone names nobody: it is reused.
#pragma once

#include <cstdint>

namespace procctl::node {

struct ProcessIdentity {
  int32_t pid = 0;
  // Field 22 of /proc/<pid>/stat: clock ticks since boot.
  int64_t start_ticks = 0;

  bool operator==(const ProcessIdentity&) const = default;
  auto operator<=>(const ProcessIdentity&) const = default;
};

}  // namespace procctl::node
