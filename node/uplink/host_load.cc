#include "node/uplink/host_load.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>

namespace procctl::uplink {

std::int32_t LoadPerMille() {
  constexpr double kMost = 1e9;  // It is shown, and must fit.
  double minute = 0;
  if (getloadavg(&minute, 1) != 1) return 0;
  const long cpus = std::max(1L, sysconf(_SC_NPROCESSORS_ONLN));
  return static_cast<std::int32_t>(
      std::clamp(minute * 1000 / static_cast<double>(cpus), 0.0, kMost));
}

}  // namespace procctl::uplink
