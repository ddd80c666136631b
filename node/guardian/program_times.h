// When a program is started, left in peace and restarted by time, as its configuration says.
#pragma once

#include "node/core/program_spec.h"
#include "node/guardian/section_checker.h"
#include "procctl/v1/config.pb.h"

namespace procctl::node {

// It is started by time, or is meant to be.
bool IsScheduled(const SectionChecker& section);

// Fills in every, schedule, quiet, run_limit and max_age. Asks tzdata for the time zone.
void CheckProgramTimes(const v1::ProgramConfig& config, SectionChecker* section, ProgramSpec* spec);

}  // namespace procctl::node
