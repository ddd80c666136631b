// procctl-node check FILE [--diff OLD]
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace procctl::node {

// What to print where FILE is good: that it is, what there is to note of its programs (seen from
// `now`), and with an `old` file what taking FILE up in its place would do. Otherwise as
// ReadSettings; `old` needs to be readable, but may name users and files of another day.
absl::StatusOr<std::string> CheckFile(const std::string& file, const std::string& old,
                                      absl::Time now);

}  // namespace procctl::node
