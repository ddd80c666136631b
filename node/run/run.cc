#include "node/run/run.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <string>

#include "node/run/duration.h"
#include "node/run/runner.h"
#include "proto/support/unique_fd.h"

namespace procctl::run {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr int kFailed = 1;

constexpr int kTaken[] = {SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGCHLD};

int Fail(const char* what, int error) {
  std::fprintf(stderr, "procctl-run: %s: %s\n", what, std::strerror(error));
  return kFailed;
}

// A descriptor of ours must not become anybody's stdin, stdout or stderr.
bool FillStdio() {
  for (;;) {
    const int fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (fd < 0) return false;
    if (fd > STDERR_FILENO) return close(fd) == 0;
    (void)fcntl(fd, F_SETFD, 0);
  }
}

UniqueFd TakeSignals() {
  // If a parent had this ignored, the kernel would reap our children for us.
  (void)signal(SIGCHLD, SIG_DFL);
  sigset_t taken;
  sigemptyset(&taken);
  for (const int number : kTaken) sigaddset(&taken, number);
  UniqueFd signals(signalfd(-1, &taken, SFD_CLOEXEC | SFD_NONBLOCK));
  // Blocked rather than ignored, because the program would inherit the latter.
  sigaddset(&taken, SIGPIPE);
  if (sigprocmask(SIG_BLOCK, &taken, nullptr) != 0) signals.Reset();
  return signals;
}

// What is left of earlier runs: their orphans, and checks that were not waited for.
void ReapAll() {
  while (waitpid(-1, nullptr, WNOHANG) > 0) {
  }
}

// True once it is over; false where a signal ends it. SIGUSR1 and SIGUSR2 are for a program, and
// there is none.
bool Pause(int signals, milliseconds length) {
  const auto end = Clock::now() + length;
  ReapAll();
  for (;;) {
    const auto left = std::chrono::ceil<milliseconds>(end - Clock::now());
    if (left.count() <= 0) return true;
    pollfd wait{signals, POLLIN, 0};
    if (poll(&wait, 1, static_cast<int>(left.count())) <= 0) continue;
    signalfd_siginfo info;
    if (read(signals, &info, sizeof info) != sizeof info) continue;
    switch (static_cast<int>(info.ssi_signo)) {
      case SIGCHLD:
        ReapAll();
        break;
      case SIGUSR1:
      case SIGUSR2:
        break;
      default:
        return false;
    }
  }
}

void Tell(const Options& options, const RunEnd& end, Clock::duration took) {
  if (end.code == 0 || !end.status.has_value()) return;
  const std::string how = WIFSIGNALED(*end.status)
                              ? "was ended by signal " + std::to_string(WTERMSIG(*end.status))
                              : "ended with exit code " + std::to_string(end.code);
  std::fprintf(stderr, "procctl-run: \"%s\" %s after %s; starts again in %s\n",
               options.program[0].c_str(), how.c_str(),
               FormatDuration(std::chrono::ceil<milliseconds>(took)).c_str(),
               FormatDuration(options.every).c_str());
}

}  // namespace

int Run(const Options& options) {
  if (!FillStdio()) return Fail("/dev/null", errno);
  const UniqueFd signals = TakeSignals();
  if (!signals.ok()) return Fail("signalfd", errno);
  // Orphans of the program come to us, not to init: so a stop reaches them.
  if (prctl(PR_SET_CHILD_SUBREAPER, 1) != 0) return Fail("subreaper", errno);
  for (bool first = true;; first = false) {
    const auto begin = Clock::now();
    const RunEnd end = RunOnce(options, signals.get());
    if (options.every == milliseconds(0) || end.stopped || (first && !end.status.has_value()))
      return end.code;
    Tell(options, end, Clock::now() - begin);
    if (!Pause(signals.get(), options.every)) return 0;
  }
}

}  // namespace procctl::run
