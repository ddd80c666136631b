// What the logger takes from its guardian. They are of one user, but a message that makes no sense
// must not end the logger of all programs.
#pragma once

#include "absl/status/status.h"
#include "procctl/v1/logger.pb.h"

namespace procctl::logger {

inline constexpr int kMostKept = 1000;

// INVALID_ARGUMENT with the fact.
absl::Status CheckAttach(const v1::LoggerAttach& attach);

}  // namespace procctl::logger
