// Whether a filter of slots names everybody: what a slip of a script or of a hand makes of one. And
// what else is no choice for a kill.
#pragma once

#include <string_view>

#include "absl/status/status.h"
#include "proto/support/filter.h"

namespace procctl::controller {

// Empty, blank, "*", or a filter that every row fulfils ("node=* name=*"). A text that is no
// filter is not.
bool IsMatchAll(std::string_view filter);

// INVALID_ARGUMENT for keys that a kill cannot choose by, because only the nodes know: cpu, memory.
absl::Status CheckKillFilter(const Filter& filter);

// `filter` as Filter::Parse takes it: "*" is the empty filter.
std::string_view AsFilter(std::string_view filter);

}  // namespace procctl::controller
