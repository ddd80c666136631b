// What the programs of a configuration say of each other.
#pragma once

#include "procctl/v1/config.pb.h"
#include "proto/support/config_faults.h"

namespace procctl::node {

// No two have the same name.
void CheckProgramNames(const v1::NodeConfig& config, const ConfigLines& lines,
                       ConfigFaults* faults);

// `after` and `needs` name other programs of the file, and no program waits for itself by way of
// others: each such cycle is shown once, at the entry that closes it.
void CheckProgramOrder(const v1::NodeConfig& config, const ConfigLines& lines,
                       ConfigFaults* faults);

}  // namespace procctl::node
