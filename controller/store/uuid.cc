#include "controller/store/uuid.h"

#include <sys/random.h>

#include <array>
#include <cerrno>
#include <cstdint>

#include "proto/support/logging.h"
#include "spdlog/fmt/fmt.h"

namespace procctl::controller {

std::string NewUuid() {
  std::array<std::uint8_t, 16> bytes{};
  // So few bytes come whole or not at all; EINTR only before the kernel's pool is ready.
  while (getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size())) {
    if (errno != EINTR) Fatal("the kernel gives no random numbers");
  }
  bytes[6] = static_cast<std::uint8_t>((bytes[6] & 0x0f) | 0x40);
  bytes[8] = static_cast<std::uint8_t>((bytes[8] & 0x3f) | 0x80);
  std::string text;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) text += '-';
    text += fmt::format("{:02x}", bytes[i]);
  }
  return text;
}

}  // namespace procctl::controller
