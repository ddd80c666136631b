#include "controller/core/memory_fuse.h"

#include <algorithm>
#include <limits>

namespace procctl::controller {

Fuse::Change Fuse::Judge(std::int64_t value) {
  if (!blown_ && value > limit_) {
    blown_ = true;
    return Change::kBlown;
  }
  if (blown_ && value < limit_ - limit_ / 10) {
    blown_ = false;
    return Change::kMended;
  }
  return Change::kNone;
}

std::int64_t DefaultMemoryLimit(std::optional<std::int64_t> machine,
                                std::optional<std::int64_t> cgroup) {
  // Without either a fuse that never blows: to refuse everybody for what nobody knows is worse.
  constexpr std::int64_t kUnknown = std::numeric_limits<std::int64_t>::max();
  const std::int64_t least = std::min(machine.value_or(kUnknown), cgroup.value_or(kUnknown));
  return least == kUnknown ? kUnknown : least / 4 * 3;
}

std::int64_t DescriptorAlarm(std::int64_t descriptor_limit) { return descriptor_limit * 7 / 10; }

}  // namespace procctl::controller
