// A program that leaves its work to another process, as daemons do, and names that one to its
// service manager: MAINPID=, then READY=1. The other one beats until it is told to hang.
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "tests/programs/arguments.h"

namespace {

volatile sig_atomic_t hangs = 0;
volatile sig_atomic_t ends = 0;

void Say(const std::string& message) {
  const char* path = std::getenv("NOTIFY_SOCKET");
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (path == nullptr || fd < 0 || std::strlen(path) >= sizeof(address.sun_path)) {
    std::fprintf(stderr, "no way to reach NOTIFY_SOCKET\n");
    std::exit(1);
  }
  memcpy(address.sun_path, path, std::strlen(path));
  const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + std::strlen(path));
  // A guardian that is being replaced does not listen for a moment: that is no reason to end.
  (void)sendto(fd, message.data(), message.size(), 0, reinterpret_cast<sockaddr*>(&address),
               length);
  close(fd);
}

[[noreturn]] void Work(int told, int every_ms, int exit_code) {
  struct sigaction action = {};
  action.sa_handler = [](int signal) { (signal == SIGUSR1 ? hangs : ends) = 1; };
  sigaction(SIGUSR1, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  const pid_t self = getpid();
  (void)!write(told, &self, sizeof self);
  close(told);
  for (;;) {
    poll(nullptr, 0, every_ms);
    if (hangs != 0) {
      for (;;) poll(nullptr, 0, -1);
    }
    if (ends != 0) _exit(exit_code);
    Say("WATCHDOG=1");
  }
}

// Returns the pid of who works, once it does.
pid_t Begin(bool daemon, int every_ms, int exit_code) {
  int told[2];
  if (pipe(told) != 0) std::exit(1);
  const pid_t child = fork();
  if (child == 0) {
    if (daemon) {
      // Another session, and the one in the middle goes.
      setsid();
      if (fork() != 0) _exit(0);
    }
    close(told[0]);
    Work(told[1], every_ms, exit_code);
  }
  close(told[1]);
  pid_t worker = 0;
  if (read(told[0], &worker, sizeof worker) != static_cast<ssize_t>(sizeof worker)) std::exit(1);
  close(told[0]);
  if (daemon) waitpid(child, nullptr, 0);
  return worker;
}

}  // namespace

int main(int argc, char** argv) {
  using procctl::programs::NumberArgument;
  const int claim = NumberArgument(argc, argv, "--claim", 0, 0);
  const int every_ms = NumberArgument(argc, argv, "--every-ms", 1, 100);
  const int exit_code = NumberArgument(argc, argv, "--exit-code", 0, 0);
  const pid_t worker =
      Begin(NumberArgument(argc, argv, "--daemon", 0, 0) != 0, every_ms, exit_code);
  Say("MAINPID=" + std::to_string(claim != 0 ? claim : worker) + "\nREADY=1");
  if (NumberArgument(argc, argv, "--stay", 0, 0) == 0) return 0;
  for (;;) {
    poll(nullptr, 0, every_ms);
    if (claim != 0) Say("WATCHDOG=1");
  }
}
