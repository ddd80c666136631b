// Reads the grammar of filters, by recursive descent. Filter::Parse is the way in.
#pragma once

#include <string_view>

#include "absl/status/statusor.h"
#include "proto/support/filter.h"

namespace procctl {

// Fails as Filter::Parse does.
absl::StatusOr<FilterNode> ParseFilter(std::string_view text, const FilterSchema& schema);

}  // namespace procctl
