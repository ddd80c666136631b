// A program that knows nothing of procctl but its environment, and keeps a diary: one line at its
// start, before anything else, and one right before it ends by itself.
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "tests/programs/arguments.h"

namespace {

using Clock = std::chrono::steady_clock;

// "start RUN PID NANOSECONDS", the time as CLOCK_BOOTTIME has it. One write with O_APPEND: lines of
// many processes do not mix, and stand in the order in which they were written.
bool WriteLine(const std::string& file, const char* what) {
  const char* run = std::getenv("PROCCTL_RUN");
  timespec now{};
  (void)clock_gettime(CLOCK_BOOTTIME, &now);
  const std::string line = std::string(what) + " " + (run == nullptr ? "-" : run) + " " +
                           std::to_string(getpid()) + " " +
                           std::to_string(now.tv_sec * 1'000'000'000LL + now.tv_nsec) + "\n";
  const int fd = open(file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  const bool written =
      fd >= 0 && write(fd, line.data(), line.size()) == static_cast<ssize_t>(line.size());
  if (!written) std::perror(file.c_str());
  if (fd >= 0) close(fd);
  return written;
}

// Each message by itself and unconnected: nobody listens while no guardian runs, and the one after
// it listens at the same path.
void Notify(int socket, const char* path, const char* text) {
  sockaddr_un to{};
  to.sun_family = AF_UNIX;
  if (std::strlen(path) >= sizeof to.sun_path) return;
  std::strncpy(to.sun_path, path, sizeof to.sun_path - 1);
  (void)sendto(socket, text, std::strlen(text), MSG_NOSIGNAL,
               reinterpret_cast<const sockaddr*>(&to), sizeof to);
}

}  // namespace

int main(int argc, char** argv) {
  using procctl::programs::NumberArgument;
  const std::string file = procctl::programs::TextArgument(argc, argv, "--file");
  const int live_ms = NumberArgument(argc, argv, "--live-ms", 0, -1);
  const int code = NumberArgument(argc, argv, "--exit-code", 0, 0);
  const int notify_ms = NumberArgument(argc, argv, "--notify-ms", 1, -1);
  if (!WriteLine(file, "start")) return 2;

  const char* path = notify_ms > 0 ? std::getenv("NOTIFY_SOCKET") : nullptr;
  const int socket = path != nullptr ? ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0) : -1;
  if (socket >= 0) Notify(socket, path, "READY=1");
  const auto end = Clock::now() + std::chrono::milliseconds(live_ms);
  while (live_ms < 0 || Clock::now() < end) {
    int wait_ms = notify_ms;
    if (live_ms >= 0) {
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(end - Clock::now()).count();
      wait_ms = static_cast<int>(std::max<long long>(left, 0));
      if (notify_ms > 0) wait_ms = std::min(wait_ms, notify_ms);
    }
    (void)poll(nullptr, 0, wait_ms);
    if (socket >= 0) Notify(socket, path, "WATCHDOG=1");
  }
  return WriteLine(file, "end") ? code : 2;
}
