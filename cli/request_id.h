// An id that nobody has used before.
#pragma once

#include <string>

namespace procctl::cli {

// A random UUID (version 4).
std::string NewRequestId();

}  // namespace procctl::cli
