#pragma once

#include <string>

namespace procctl::controller {

// A random UUID (version 4), from the kernel.
std::string NewUuid();

}  // namespace procctl::controller
