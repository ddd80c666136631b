#include "tests/e2e/harness/impostor.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <utility>

#include "tests/e2e/harness/wait.h"

namespace procctl::e2e {
namespace {

[[noreturn]] void RecordSignals(int report) {
  sigset_t all;
  sigfillset(&all);
  while (true) {
    siginfo_t info{};
    const int signal = sigwaitinfo(&all, &info);
    if (signal > 0 && write(report, &signal, sizeof signal) != sizeof signal) _exit(1);
  }
}

}  // namespace

std::optional<Impostor> Impostor::TakePid(pid_t pid, const std::function<void()>& first) {
  return Make(pid, first);
}

Impostor Impostor::Bystander() { return *Make(0, nullptr); }

std::optional<Impostor> Impostor::Make(pid_t wanted, const std::function<void()>& first) {
  int report[2];
  if (pipe2(report, O_CLOEXEC | O_NONBLOCK) != 0) throw HarnessError("pipe2 failed");
  sigset_t all, before;
  sigfillset(&all);
  // Blocked before the newcomer exists, so that no signal can slip in ahead of its first
  // instruction.
  sigprocmask(SIG_SETMASK, &all, &before);
  clone_args arguments{};
  arguments.exit_signal = SIGCHLD;
  if (wanted != 0) {
    arguments.set_tid = reinterpret_cast<uintptr_t>(&wanted);
    arguments.set_tid_size = 1;
  }
  const pid_t got = static_cast<pid_t>(syscall(SYS_clone3, &arguments, sizeof arguments));
  if (got == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (first) first();
    RecordSignals(report[1]);
  }
  const int error = errno;
  sigprocmask(SIG_SETMASK, &before, nullptr);
  close(report[1]);
  if (got < 0) {
    close(report[0]);
    if (error == EEXIST) return std::nullopt;
    throw HarnessError("clone3 with set_tid: " + std::string(strerror(error)));
  }
  return Impostor(got, report[0]);
}

Impostor::Impostor(pid_t pid, int signals_fd)
    : child_(Child::Adopt(pid)), signals_fd_(signals_fd) {}

Impostor::Impostor(Impostor&& other) noexcept
    : child_(std::move(other.child_)),
      signals_fd_(std::exchange(other.signals_fd_, -1)),
      signals_(std::move(other.signals_)) {}

Impostor::~Impostor() {
  if (signals_fd_ >= 0) close(signals_fd_);
}

std::vector<int> Impostor::Signals() {
  for (int signal; read(signals_fd_, &signal, sizeof signal) == sizeof signal;) {
    signals_.push_back(signal);
  }
  const std::optional<int> status = child_.WaitExit(0ms);
  if (status && WIFSIGNALED(*status)) signals_.push_back(WTERMSIG(*status));
  return signals_;
}

}  // namespace procctl::e2e
