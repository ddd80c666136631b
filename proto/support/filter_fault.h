// What is wrong with a filter, and where: the sentence, the filter, and a caret under the place.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace procctl {

// INVALID_ARGUMENT "filter, column 7: SENTENCE", then two lines more. `at` is a byte of `filter`,
// or its size. What is not printable ASCII is shown as \xNN, so that the caret stays right in any
// terminal; of a long filter only the surroundings are shown.
absl::Status FilterFault(std::string_view filter, size_t at, const std::string& sentence);

}  // namespace procctl
