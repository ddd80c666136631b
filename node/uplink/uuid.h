// Names that nobody else has.
#pragma once

#include <string>

namespace procctl::uplink {

// A random UUID (version 4), from the kernel's randomness.
std::string RandomUuid();

}  // namespace procctl::uplink
