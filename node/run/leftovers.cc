#include "node/run/leftovers.h"

#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <vector>

#include "node/run/proc_stat.h"
#include "proto/support/unique_fd.h"

namespace procctl::run {
namespace {

using Clock = std::chrono::steady_clock;

bool HasEnded(int pidfd) {
  pollfd ended = {pidfd, POLLIN, 0};
  return poll(&ended, 1, 0) != 0;
}

// Sends `signals` to each descendant. Parents come before their children: a process counts only if
// it names a parent that is proved and alive after the name was read, so that neither number can
// have passed to somebody else meanwhile.
void SignalDescendants(const std::vector<int>& signals) {
  std::vector<pid_t> candidates = AllPids();
  std::map<pid_t, UniqueFd> proved;
  const pid_t self = getpid();
  for (bool found = true; found;) {
    found = false;
    for (pid_t& pid : candidates) {
      if (pid == 0) continue;
      const auto seen = ReadProcStat(pid);
      if (!seen.has_value() || (seen->parent != self && proved.count(seen->parent) == 0)) continue;
      UniqueFd pidfd(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
      if (!pidfd.ok()) continue;
      const auto stat = ReadProcStat(pid);
      if (!stat.has_value() || stat->parent != seen->parent || HasEnded(pidfd.get())) continue;
      if (stat->parent != self && HasEnded(proved.at(stat->parent).get())) continue;
      for (const int signal : signals)
        (void)syscall(SYS_pidfd_send_signal, pidfd.get(), signal, nullptr, 0);
      proved.emplace(pid, std::move(pidfd));
      pid = 0;
      found = true;
    }
  }
}

// True if there is no child left.
bool ReapAll() {
  for (;;) {
    const pid_t pid = waitpid(-1, nullptr, WNOHANG);
    if (pid < 0 && errno != EINTR) return true;
    if (pid == 0) return false;
  }
}

// Waits for a SIGCHLD until `deadline`. False when it has passed.
bool AwaitChildSignal(int child_signals, Clock::time_point deadline) {
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now());
  if (left.count() <= 0) return false;
  pollfd readable = {child_signals, POLLIN, 0};
  (void)poll(&readable, 1, static_cast<int>(left.count()));
  signalfd_siginfo info;
  if ((readable.revents & POLLIN) != 0) (void)!read(child_signals, &info, sizeof(info));
  return true;
}

}  // namespace

bool EndDescendants(int child_signals, const LeftoverLimits& limits) {
  if (ReapAll()) return true;
  SignalDescendants({SIGTERM, SIGCONT});
  const auto term_deadline = Clock::now() + limits.after_term;
  while (!ReapAll()) {
    if (!AwaitChildSignal(child_signals, term_deadline)) break;
  }
  const auto kill_deadline = Clock::now() + limits.after_kill;
  while (!ReapAll()) {
    // Again after each death: those who forked meanwhile have children of which nobody knew.
    SignalDescendants({SIGKILL});
    if (!AwaitChildSignal(child_signals, kill_deadline)) return false;
  }
  return true;
}

}  // namespace procctl::run
