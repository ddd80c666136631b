// What `procctl-node check` says of programs that are configured without a fault.
#pragma once

#include <string>
#include <vector>

#include "absl/time/time.h"
#include "node/core/program_spec.h"
#include "proto/support/config_faults.h"

namespace procctl::node {

// Lines, each with its end. Of each program with quiet times when these are and when it is started
// next, seen from `now`; and of one that its intensity would not park where that is most likely to
// be wanted. `specs` are in the order of the file.
std::string ProgramNotes(const std::string& file, const ConfigLines& lines,
                         const std::vector<ProgramSpec>& specs, absl::Time now);

}  // namespace procctl::node
