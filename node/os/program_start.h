// Starts a program that is held back at a gate: it is everything that it will be, and waits for one
// byte before exec. So who it is can be written down first, and a guardian that dies in between
// leaves no program that nobody knows: the gate's end closes and the child goes without exec.
//
//   Start ──> at the gate ──Release──> exec ──> runs: the error pipe ends
//               │    │                   └────> exec failed: the error pipe tells
//               │    └─ could not become what it should: the error pipe tells, and it ends
//               └─ this object or the guardian is gone: it ends
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "node/core/program_spec.h"
#include "node/os/process_ref.h"
#include "node/os/unique_fd.h"

namespace procctl::node {

struct ProgramStart {
  // At least one. argv[0] without '/' is looked up in PATH of `env`; one with '/' that is relative
  // is taken from `dir`.
  std::vector<std::string> argv;
  // NAME=VALUE. All of it: nothing of the guardian's own is added.
  std::vector<std::string> env;
  std::string dir = "/";
  mode_t umask = 022;
  // nullptr: stays who the guardian is. So does a guardian without privileges that is told its own
  // user and group.
  const ProgramUser* user = nullptr;
  // FIFOs, opened for reading and writing before the change of user: a program whose guardian died
  // still has a reader (itself) and gets no SIGPIPE. Empty: /dev/null. The same path twice is
  // opened once.
  std::string stdout_fifo;
  std::string stderr_fifo;
  std::vector<ResourceLimit> rlimits;
  std::optional<int> nice;
  int oom_score_adj = 0;
  // cgroup.procs of the v2 group to enter. Empty: stays in the guardian's.
  std::string cgroup_procs;
  // A file that is emptied, and holds `mark` once the child has passed the gate: whoever takes over
  // from a guardian that was killed at the gate knows by it whether the program ever ran. Empty:
  // none. In memory, so that it costs nothing.
  std::string mark_path;
  std::string mark;
};

// Where a shell would find `name`: the first regular file with an executable bit in the folders of
// `path` (parted by ':'; relative ones are below `dir`). NOT_FOUND and FAILED_PRECONDITION say what
// to do.
absl::StatusOr<std::string> FindInPath(const std::string& name, std::string_view path,
                                       const std::string& dir);

class HeldProgram {
 public:
  // Returns at once; whatever the child cannot do is told through error_fd(). The child has a
  // session and a process group of its own, default signals and an empty mask, no descriptor but
  // 0, 1 and 2, RLIMIT_NOFILE as the guardian found it, and no bond to the guardian's life.
  static absl::StatusOr<HeldProgram> Start(const ProgramStart& start);

  // Not released: the child ends without exec. It is left to be reaped like any other child.
  ~HeldProgram() = default;
  HeldProgram(HeldProgram&&) = default;
  HeldProgram& operator=(HeldProgram&&) = default;

  // Its group and session have its pid; both are there once the outcome is OK.
  const ProcessRef& process() const { return process_; }
  ProcessRef& process() { return process_; }
  // For whoever keeps it once the start is over. process() is nobody after that.
  ProcessRef TakeProcess() { return std::move(process_); }

  // Opens the gate. The second call does nothing.
  void Release();

  // Readable once there is an outcome. Owned by this object.
  int error_fd() const { return error_.get(); }
  // Nullopt: not yet. OK: exec succeeded. Otherwise what failed, on what and why ("chdir /srv/app:
  // No such file or directory"); RESOURCE_EXHAUSTED and UNAVAILABLE may pass by themselves,
  // FAILED_PRECONDITION does not. Never waits; once known it stays.
  std::optional<absl::Status> TakeOutcome();

 private:
  HeldProgram(ProcessRef process, UniqueFd gate, UniqueFd error)
      : process_(std::move(process)), gate_(std::move(gate)), error_(std::move(error)) {}

  ProcessRef process_;
  UniqueFd gate_;
  UniqueFd error_;
  bool released_ = false;
  std::optional<absl::Status> outcome_;
};

}  // namespace procctl::node
