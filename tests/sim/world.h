// Runs one plan: the host, one guardian life after the other, and the oracle that watches both.
#pragma once

#include <cstdint>
#include <cstdio>
#include <string>

#include "tests/sim/plan.h"

namespace procctl::sim {

struct Outcome {
  // Empty: every invariant held.
  std::string violation;
  // What the plan led to, to see that the plans reach everything.
  int64_t scans = 0;
  int64_t signals = 0;
  int64_t crashes = 0;
};

// The same plan has the same outcome, always and everywhere.
// `told`: every event is written there as it is recorded; nullptr: nowhere.
Outcome RunPlan(const Plan& plan, std::FILE* told = nullptr);

}  // namespace procctl::sim
