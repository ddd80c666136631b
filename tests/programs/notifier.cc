// A program that speaks to its service manager in the sd_notify way:
// READY=1, some beats, then silence for good, as one that hangs. It opens no heart.
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "tests/programs/arguments.h"

namespace {

// Ends the program if it cannot be said.
void Say(const std::string& path, const std::string& message) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0 || path.size() >= sizeof(address.sun_path)) {
    std::fprintf(stderr, "no way to reach %s\n", path.c_str());
    std::exit(1);
  }
  memcpy(address.sun_path, path.data(), path.size());
  if (path[0] == '@') address.sun_path[0] = '\0';
  const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size());
  if (sendto(fd, message.data(), message.size(), 0, reinterpret_cast<sockaddr*>(&address), length) <
      0) {
    std::perror(path.c_str());
    std::exit(1);
  }
  close(fd);
}

}  // namespace

int main(int argc, char** argv) {
  using procctl::programs::NumberArgument;
  const int beats = NumberArgument(argc, argv, "--beats", 0, 0);
  const int every_ms = NumberArgument(argc, argv, "--every-ms", 1, 100);
  const char* socket_path = std::getenv("NOTIFY_SOCKET");
  if (socket_path == nullptr || *socket_path == '\0') {
    std::fprintf(stderr, "NOTIFY_SOCKET is not set\n");
    return 1;
  }
  Say(socket_path, "READY=1\nSTATUS=working");
  for (int i = 0; i < beats; ++i) {
    poll(nullptr, 0, every_ms);
    Say(socket_path, "WATCHDOG=1");
  }
  for (;;) poll(nullptr, 0, -1);
}
