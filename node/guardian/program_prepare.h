// What a start has to ask a disk: where its program is, and what its environment files hold.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "node/core/program_spec.h"

namespace procctl::node {

struct Prepared {
  // FAILED_PRECONDITION, and whatever the search of $PATH says: it cannot be started, for humans.
  absl::Status status;
  // The first is a path.
  std::vector<std::string> argv;
  // NAME=VALUE, in the order of the files.
  std::vector<std::string> env;
};

// Waits for the disk: not on the loop's thread.
Prepared PrepareStart(const ProgramSpec& spec);

}  // namespace procctl::node
