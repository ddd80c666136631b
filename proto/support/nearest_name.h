// "Did you mean": the name in a list that is nearest to a mistyped one.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace procctl {

// Empty where none is within two typing mistakes.
std::string NearestName(const std::vector<std::string>& known, std::string_view wanted);

}  // namespace procctl
