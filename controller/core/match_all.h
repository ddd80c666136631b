// Whether a filter of slots names everybody: what a slip of a script or of a hand makes of one.
#pragma once

#include <string_view>

#include "absl/status/status.h"

namespace procctl::controller {

// Empty, blank, "*", or every term of it holds for any row ("node=* name=?*"). A text that is no
// filter is not.
bool IsMatchAll(std::string_view filter);

// INVALID_ARGUMENT for keys that a kill cannot choose by, because only the nodes know: cpu, memory.
absl::Status CheckKillFilter(std::string_view filter);

// `filter` as Filter::Parse takes it: "*" is the empty filter.
std::string_view AsFilter(std::string_view filter);

}  // namespace procctl::controller
