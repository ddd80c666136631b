#include "node/uplink/uuid.h"

#include <cstdint>
#include <random>

#include "spdlog/fmt/fmt.h"

namespace procctl::uplink {

std::string RandomUuid() {
  std::random_device random;
  const std::uint32_t a = random();
  const std::uint32_t b = random();
  const std::uint32_t c = random();
  const std::uint32_t d = random();
  // The version stands in the third group, the variant in the fourth.
  return fmt::format("{:08x}-{:04x}-{:04x}-{:04x}-{:04x}{:08x}", a, b >> 16, 0x4000 | (b & 0x0fff),
                     0x8000 | ((c >> 16) & 0x3fff), c & 0xffff, d);
}

}  // namespace procctl::uplink
