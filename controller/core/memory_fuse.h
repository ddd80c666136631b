// When a quantity that must not run out (memory, descriptors) is too high, and when that is over.
// With hysteresis: what swings around the limit is one alarm, not hundreds. Pure.
//
//   INTACT --value > limit--> BLOWN --value < nine tenths of limit--> INTACT
#pragma once

#include <cstdint>
#include <optional>

namespace procctl::controller {

class Fuse {
 public:
  enum class Change { kNone, kBlown, kMended };

  explicit Fuse(std::int64_t limit) : limit_(limit) {}

  Change Judge(std::int64_t value);
  bool blown() const { return blown_; }
  std::int64_t limit() const { return limit_; }

 private:
  const std::int64_t limit_;
  bool blown_ = false;
};

// Bytes at which the memory fuse blows where none are configured: three quarters of the machine's
// memory or of the cgroup's limit, whichever is less. Empty: not known.
std::int64_t DefaultMemoryLimit(std::optional<std::int64_t> machine,
                                std::optional<std::int64_t> cgroup);

// Descriptors in use at which an operator is told: seven tenths of the limit.
std::int64_t DescriptorAlarm(std::int64_t descriptor_limit);

}  // namespace procctl::controller
