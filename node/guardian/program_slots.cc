#include "node/guardian/program_slots.h"

#include <cstdint>
#include <map>

#include "spdlog/fmt/fmt.h"

namespace procctl::node {

std::optional<SlotShortage> FindSlotShortage(const std::vector<ProgramSpec>& specs,
                                             const RegistrationLimits& limits, uid_t own) {
  int64_t all = 0;
  std::map<uid_t, int64_t> of_users;
  for (size_t i = 0; i < specs.size(); ++i) {
    const uid_t user = specs[i].user ? specs[i].user->uid : own;
    all += specs[i].instances;
    const int64_t of_user = of_users[user] += specs[i].instances;
    if (all > limits.max_slots) {
      return SlotShortage{i, "max_slots",
                          fmt::format("with it there are {} instances of programs, a slot each, "
                                      "and heartbeat.max_slots is {}",
                                      all, limits.max_slots)};
    }
    if (of_user > limits.max_slots_per_user) {
      return SlotShortage{i, "max_slots_per_user",
                          fmt::format("with it there are {} instances of programs of user {}, a "
                                      "slot each, and heartbeat.max_slots_per_user is {}",
                                      of_user, user, limits.max_slots_per_user)};
    }
  }
  return std::nullopt;
}

}  // namespace procctl::node
