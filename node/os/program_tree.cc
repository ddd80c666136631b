#include "node/os/program_tree.h"

#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "node/os/proc_file.h"
#include "spdlog/fmt/fmt.h"

namespace procctl::node {
namespace {

constexpr int kMostAncestors = 256;
constexpr unsigned kPidfdSignalProcessGroup = 1U << 2;  // linux/pidfd.h of 6.9 and later

Target::Outcome ToOutcome(int result, int signal, int32_t pid) {
  if (result == 0) return {Target::Sent::kYes, ""};
  const int error = errno;
  return {error == ESRCH ? Target::Sent::kGone : Target::Sent::kDenied,
          fmt::format("signal {} to the process group of pid {}: {}", signal, pid,
                      std::strerror(error))};
}

// Its number is that of a process which began at another time: the session of that name, if any, is
// not the one meant.
bool HasPassedOn(const ProcessIdentity& leader) {
  const auto stat = ReadStat(leader.pid);
  return stat && stat->start_ticks != leader.start_ticks;
}

bool IsIn(const ProcessIdentity& leader, const ProcStat& stat) {
  return stat.session == leader.pid && stat.start_ticks >= leader.start_ticks && !HasEnded(stat);
}

}  // namespace

Target::Outcome SignalGroup(const ProcessRef& leader, int signal) {
  const auto result = static_cast<int>(
      syscall(SYS_pidfd_send_signal, leader.pidfd(), signal, nullptr, kPidfdSignalProcessGroup));
  if (result != 0 && errno == EINVAL) return SignalGroupByNumber(leader, signal);
  return ToOutcome(result, signal, leader.identity().pid);
}

bool KernelSignalsGroups() {
  static const bool can = [] {
    const UniqueFd self(static_cast<int>(syscall(SYS_pidfd_open, getpid(), 0)));
    return syscall(SYS_pidfd_send_signal, self.get(), 0, nullptr, kPidfdSignalProcessGroup) == 0 ||
           errno != EINVAL;
  }();
  return can;
}

Target::Outcome SignalGroupByNumber(const ProcessRef& leader, int signal) {
  const int32_t pid = leader.identity().pid;
  siginfo_t info{};
  if (waitid(P_PIDFD, static_cast<id_t>(leader.pidfd()), &info, WEXITED | WNOHANG | WNOWAIT) != 0) {
    return {Target::Sent::kDenied,
            fmt::format("signal {} to the process group of pid {}: this kernel (before 6.9) can "
                        "only do that by number, and the leader is not a child of procctl-node "
                        "any more, so the number may be somebody else's",
                        signal, pid)};
  }
  return ToOutcome(kill(-pid, signal), signal, pid);
}

std::vector<TreeMember> SessionMembers(const ProcessIdentity& leader) {
  std::vector<TreeMember> members;
  if (HasPassedOn(leader)) return members;
  for (const int32_t pid : AllProcesses()) {
    auto stat = ReadStat(pid);
    if (stat && IsIn(leader, *stat)) members.push_back({pid, std::move(stat->comm)});
  }
  return members;
}

int SignalSession(const ProcessIdentity& leader, int signal) {
  int signalled = 0;
  for (const TreeMember& member : SessionMembers(leader)) {
    auto process = ProcessRef::Open(member.pid);
    // Asked again once it is held: it may have gone and its number passed on.
    const auto stat = ReadStat(member.pid);
    if (!process.ok() || !stat || stat->start_ticks != process->identity().start_ticks ||
        !IsIn(leader, *stat)) {
      continue;
    }
    if (process->Signal(signal).sent == Target::Sent::kYes) ++signalled;
  }
  return signalled;
}

Kinship KinshipOf(const ProcessRef& process, const ProcessIdentity& main) {
  const auto own = ReadStat(process.identity().pid);
  const auto leader = ReadStat(main.pid);
  if (!own || !process.Alive()) return Kinship::kNone;
  const bool main_is_there = leader && leader->start_ticks == main.start_ticks;
  // Its session is its own until it has been reaped, whoever left it meanwhile.
  if (main_is_there && own->session == leader->session) return Kinship::kDescends;
  const int32_t self = getpid();
  int32_t child = process.identity().pid;
  for (int i = 0; i < kMostAncestors; ++i) {
    const auto before = ReadStat(child);
    if (!before || before->parent <= 1) return Kinship::kNone;
    if (before->parent == self)
      return child == process.identity().pid ? Kinship::kOrphan : Kinship::kNone;
    const auto parent = ReadStat(before->parent);
    // Who is a child's parent before and after was so all the while: the number was its own.
    const auto after = ReadStat(child);
    if (!parent || !after || after->parent != before->parent ||
        after->start_ticks != before->start_ticks) {
      return Kinship::kNone;
    }
    if (before->parent == main.pid)
      return parent->start_ticks == main.start_ticks ? Kinship::kDescends : Kinship::kNone;
    child = before->parent;
  }
  return Kinship::kNone;
}

std::vector<TreeMember> OrphansOfOurs(const std::set<int32_t>& known) {
  std::vector<TreeMember> orphans;
  for (const int32_t pid : OwnChildren()) {
    if (known.count(pid) != 0) continue;
    auto stat = ReadStat(pid);
    if (stat && !HasEnded(*stat)) orphans.push_back({pid, std::move(stat->comm)});
  }
  return orphans;
}

}  // namespace procctl::node
