// Makes a plan of a seed: processes that register, and a list of misfortunes.
#pragma once

#include <cstdint>

#include "tests/sim/plan.h"

namespace procctl::sim {

Plan MakePlan(uint64_t seed);

}  // namespace procctl::sim
