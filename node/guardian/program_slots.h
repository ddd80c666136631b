// Whether the table has room for all instances of all programs.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "node/core/program_spec.h"
#include "node/core/registration.h"

namespace procctl::node {

struct SlotShortage {
  // The first program of the list for which there is no room.
  size_t program = 0;
  // The limit that is passed: "max_slots" or "max_slots_per_user".
  std::string limit;
  std::string fact;
};

// Each instance is a slot, of the user it runs as. `own`: who runs those that name no user.
std::optional<SlotShortage> FindSlotShortage(const std::vector<ProgramSpec>& specs,
                                             const RegistrationLimits& limits, uid_t own);

}  // namespace procctl::node
