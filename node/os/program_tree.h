// Whoever belongs to a program: its process group, its session, and what lost its parent and came
// to us. Cgroups (program_cgroup.h) know better, where there are any.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "node/core/process_identity.h"
#include "node/os/process_ref.h"

namespace procctl::node {

struct TreeMember {
  int32_t pid = 0;
  // As /proc has it: raw bytes, up to 15.
  std::string comm;
};

// Signals the group that `leader` leads, also when the leader has ended: by its pidfd, so a number
// that passed to somebody else is never hit. kGone: nobody is in it. Kernels before 6.9 cannot do
// that; there SignalGroupByNumber is asked.
Target::Outcome SignalGroup(const ProcessRef& leader, int signal);

// SignalGroup works here also after the leader was reaped.
bool KernelSignalsGroups();

// By number, which is safe only as long as nobody has reaped the leader and only we can; kDenied
// otherwise. `leader` must lead its group: its outcome (program_start.h) is OK.
Target::Outcome SignalGroupByNumber(const ProcessRef& leader, int signal);

// The living of the session that `leader` began, itself included; empty if its number has passed
// to somebody else. To show: between this list and a signal anybody may end.
std::vector<TreeMember> SessionMembers(const ProcessIdentity& leader);

// Signals each of them by its own pidfd, wherever its group is. Returns how many.
int SignalSession(const ProcessIdentity& leader, int signal);

// How a living process is related to a main process, without cgroups.
enum class Kinship {
  kNone,
  // It descends from `main`, or is of its session: proven.
  kDescends,
  // A child of ours: started by us, or it lost its parents and came to us as their subreaper. Then
  // it descends from one of our children, and nobody can say from which.
  kOrphan,
};
Kinship KinshipOf(const ProcessRef& process, const ProcessIdentity& main);

// Living children of ours that nobody knows: they left their session and lost their parents, and
// came to us as their subreaper. Nobody but ReapStrangers takes their pids away.
std::vector<TreeMember> OrphansOfOurs(const std::set<int32_t>& known);

}  // namespace procctl::node
