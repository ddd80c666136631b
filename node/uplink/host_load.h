// How busy the host is, for a controller that shows it.
#pragma once

#include <cstdint>

namespace procctl::uplink {

// Runnable processes over the last minute per CPU, in thousandths; 0 if the kernel does not say.
std::int32_t LoadPerMille();

}  // namespace procctl::uplink
