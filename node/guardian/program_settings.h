// The programs of a configuration file, with every default filled in and every bound checked.
#pragma once

#include <vector>

#include "node/core/program_spec.h"
#include "procctl/v1/config.pb.h"
#include "proto/support/config_faults.h"

namespace procctl::node {

// What of the node's own settings holds for programs.
struct ProgramDefaults {
  Nanos grace = std::chrono::seconds(5);
  // Below it a punctual program could look late.
  Nanos least_timeout = std::chrono::milliseconds(500);
  // The guardian is root, and so can start programs as others.
  bool root = false;
};

// In the order of the file. All that is wrong goes to `faults`; then what is returned must not be
// used. Asks this host for the users and groups that are named; folders and programs are only
// looked for when they are needed.
std::vector<ProgramSpec> CheckPrograms(const v1::NodeConfig& config, const ConfigLines& lines,
                                       ConfigFaults* faults, const ProgramDefaults& defaults);

}  // namespace procctl::node
