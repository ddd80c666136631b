// A cgroup v2 for each program: whoever descends from it is in it and cannot leave, whatever
// sessions it makes. So it can be listed and ended as a whole, and limited.
//
//   <own>            where the guardian was started
//     guardian       the guardian itself, once controllers are on: a group that gives controllers
//     to
//                    those below it may hold no processes (the kernel's rule)
//     <name>         the tree
//       web@2.program
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "node/core/program_spec.h"
#include "node/os/own_cgroup.h"
#include "node/os/program_tree.h"
#include "node/os/unique_fd.h"

namespace procctl::node {

class ProgramCgroup {
 public:
  const std::string& path() const { return path_; }
  // For ProgramStart::cgroup_procs.
  std::string procs_path() const { return path_ + "/cgroup.procs"; }

  // Limits that are absent are lifted. Those that cannot be applied are all named, with the missing
  // controller and what to do; the others are applied nevertheless. Lowering memory_max below what
  // is in use may take the kernel a while.
  absl::Status Apply(const CgroupLimits& limits) const;

  // SIGKILL to all of them at once, forks in flight included; does not wait for their ends.
  absl::Status Kill() const;

  // To each of them by its own pidfd; whoever forks meanwhile may be missed. Returns how many.
  int Signal(int signal) const;

  // True while anybody lives in it or below, or that cannot be told (no descriptors).
  bool Populated() const;
  // A descriptor that becomes urgent (EPOLLPRI) when the last of them has ended or the first has
  // come, until ReadPopulated is asked with it. Invalid if the group is gone.
  UniqueFd OpenEvents() const;
  static bool ReadPopulated(const UniqueFd& events);
  std::vector<TreeMember> Members() const;

  // How many processes the kernel killed in it for memory, ever; 0 where it does not count.
  int64_t OomKills() const;

  // With the groups below it. FAILED_PRECONDITION while somebody lives in it; OK if it is gone.
  absl::Status Remove() const;

 private:
  friend class CgroupTree;
  ProgramCgroup(std::string path, std::string why_no_controllers)
      : path_(std::move(path)), why_no_controllers_(std::move(why_no_controllers)) {}

  std::string path_;
  std::string why_no_controllers_;
};

class CgroupTree {
 public:
  // The guardian's, at its start, before it has children: may move this process (not others) from
  // <own> to <own>/guardian.
  static CgroupTree Open(const std::string& name) { return OpenAt(FindOwnCgroup(), name); }
  static CgroupTree OpenAt(const OwnCgroup& own, const std::string& name);

  // False: why_not(), for humans; programs then run without groups of their own.
  bool available() const { return why_not_.empty(); }
  const std::string& why_not() const { return why_not_; }
  const std::string& path() const { return path_; }

  // Of memory, cpu, pids and io those that programs can be limited by; where that is none, why.
  const std::set<std::string>& controllers() const { return controllers_; }
  const std::string& why_no_controllers() const { return why_no_controllers_; }
  // What Apply would say of the controllers, before there is a group.
  absl::Status Check(const CgroupLimits& limits) const;

  // Labels are of [A-Za-z0-9._@-]. A group that is there and empty is taken, thawed;
  // FAILED_PRECONDITION names those who still live in it.
  absl::StatusOr<ProgramCgroup> Make(std::string_view label) const;
  // The one that a guardian before us made; it may be gone.
  ProgramCgroup Adopt(std::string_view label) const;

  // Groups of programs in which nobody lives. Not between Make and the start of its program.
  void RemoveEmpty() const;
  // The same, and the tree itself where nobody lives in it any more. Make makes it again.
  void Remove() const;

 private:
  std::string path_;
  std::string why_not_;
  std::string why_no_controllers_;
  std::set<std::string> controllers_;
};

}  // namespace procctl::node
