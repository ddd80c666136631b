// Whether a filter's words alone say that every row fulfils it.
#pragma once

#include "proto/support/filter.h"

namespace procctl {

// Tries all combinations of what its terms may amount to, as long as those are not more than some
// ten thousand; beyond that, only terms that say nothing by themselves count. `tree` was parsed
// with `schema`.
bool IsTautology(const FilterNode& tree, const FilterSchema& schema);

}  // namespace procctl
