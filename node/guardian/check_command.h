// procctl-node check FILE [--diff OLD]
#pragma once

#include <string>

#include "absl/status/statusor.h"

namespace procctl::node {

// What to print where FILE is good: that it is, and with an `old` file what taking FILE up in its
// place would do. Otherwise as ReadSettings; `old` needs to be readable, but may name users and
// files of another day.
absl::StatusOr<std::string> CheckFile(const std::string& file, const std::string& old);

}  // namespace procctl::node
