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
#include "node/run/guarded_heart.h"
#include "node/run/leftovers.h"
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

// Returns 0 once it is over, or the signal that ends it.
int Pause(int signals, milliseconds length) {
  const auto end = Clock::now() + length;
  ReapAll();
  for (;;) {
    const auto left = std::chrono::ceil<milliseconds>(end - Clock::now());
    if (left.count() <= 0) return 0;
    pollfd wait{signals, POLLIN, 0};
    if (poll(&wait, 1, static_cast<int>(left.count())) <= 0) continue;
    signalfd_siginfo info;
    if (read(signals, &info, sizeof info) != sizeof info) continue;
    const int number = static_cast<int>(info.ssi_signo);
    switch (number) {
      case SIGCHLD:
        ReapAll();
        break;
      case SIGUSR1:
      case SIGUSR2:
        break;  // for a program, and there is none
      case SIGHUP:
        if (info.ssi_code == SI_KERNEL) return number;  // the terminal has gone
        break;
      default:
        return number;
    }
  }
}

// What nobody would hear of otherwise: an end that is no success, and when it goes on.
void Tell(const Options& options, const RunEnd& end, Clock::duration took) {
  const std::string again = "starts again in " + FormatDuration(options.every);
  const char* const program = options.program[0].c_str();
  if (!end.status.has_value()) {
    std::fprintf(stderr, "procctl-run: \"%s\" %s\n", program, again.c_str());
    return;
  }
  if (end.code == 0) return;
  const std::string how = WIFSIGNALED(*end.status)
                              ? "was ended by signal " + std::to_string(WTERMSIG(*end.status))
                              : "ended with exit code " + std::to_string(end.code);
  std::fprintf(stderr, "procctl-run: \"%s\" %s after %s; %s\n", program, how.c_str(),
               FormatDuration(std::chrono::ceil<milliseconds>(took)).c_str(), again.c_str());
}

}  // namespace

int Run(const Options& options) {
  if (!FillStdio()) return Fail("/dev/null", errno);
  const UniqueFd signals = TakeSignals();
  if (!signals.ok()) return Fail("signalfd", errno);
  // Orphans of the program come to us, not to init: so a stop reaches them.
  if (prctl(PR_SET_CHILD_SUBREAPER, 1) != 0) return Fail("subreaper", errno);
  GuardedHeart::Said said;
  for (bool first = true;; first = false) {
    const auto begin = Clock::now();
    const RunEnd end = RunOnce(options, signals.get(), &said);
    if (options.every == milliseconds(0) || end.stopped || (first && !end.status.has_value()))
      return end.code;
    Tell(options, end, Clock::now() - begin);
    const int ended_by = Pause(signals.get(), options.every);
    if (ended_by == 0) continue;
    // As in a run: nothing is left after a stop.
    if (ended_by != SIGHUP) (void)EndDescendants(signals.get());
    return 0;
  }
}

}  // namespace procctl::run
