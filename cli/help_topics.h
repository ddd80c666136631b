// The pages of `procctl-cli help TOPIC`.
#pragma once

#include <string_view>

namespace procctl::cli {

// Empty for a topic that does not exist.
std::string_view HelpTopic(std::string_view topic);

inline constexpr std::string_view kTopics = "exit-codes, environment, filters, local";

}  // namespace procctl::cli
