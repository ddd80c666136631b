// Makes a failing plan small: leaves out steps as long as it still fails.
#pragma once

#include <functional>

#include "tests/sim/plan.h"

namespace procctl::sim {

// `fails` is asked of `plan` in ever smaller versions; the result still fails, and no single step
// of it can be left out.
Plan Shrink(Plan plan, const std::function<bool(const Plan&)>& fails);

}  // namespace procctl::sim
