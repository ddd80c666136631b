#include "cli/request_id.h"

#include <sys/random.h>

#include <array>
#include <cerrno>
#include <cstdint>

#include "proto/support/logging.h"
#include "spdlog/fmt/fmt.h"

namespace procctl::cli {

std::string NewRequestId() {
  std::array<uint8_t, 16> b{};
  // Up to 256 bytes come whole or not at all; EINTR only before the kernel's pool is ready.
  while (getrandom(b.data(), b.size(), 0) != static_cast<ssize_t>(b.size())) {
    if (errno != EINTR) Fatal("the kernel gives no random numbers");
  }
  b[6] = static_cast<uint8_t>((b[6] & 0x0f) | 0x40);
  b[8] = static_cast<uint8_t>((b[8] & 0x3f) | 0x80);
  return fmt::format(
      "{:02x}{:02x}{:02x}{:02x}-{:02x}{:02x}-{:02x}{:02x}-{:02x}{:02x}-{:02x}{:02x}{:02x}{:02x}{:"
      "02x}"
      "{:02x}",
      b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14],
      b[15]);
}

}  // namespace procctl::cli
