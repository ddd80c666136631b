// Page tokens: where a list goes on, as an opaque text that is tied to its list and filter.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace procctl::controller {

// `list` names the list; `keys` is where to go on after.
std::string MakePageToken(std::string_view list, std::uint64_t filter,
                          const std::vector<std::string>& keys);

// INVALID_ARGUMENT if it is none, or was made for another list or filter.
absl::StatusOr<std::vector<std::string>> ReadPageToken(std::string_view token,
                                                       std::string_view list, std::uint64_t filter,
                                                       size_t keys);

// 0 means `standard`. INVALID_ARGUMENT below 0; above `most` it is `most`.
absl::StatusOr<int> PageSize(int wanted, int standard, int most);

}  // namespace procctl::controller
