// What a test sees of the programs that a node started: their rows, their ends, their processes.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "procctl/v1/event.pb.h"
#include "procctl/v1/program.pb.h"
#include "proto/support/unique_fd.h"
#include "tests/e2e/harness/fleet.h"

namespace procctl::e2e {

// Waits until the row of `label` on `node` is as `matches` wants it, and returns it. Throws with
// that row and the log of the node when it does not become so.
v1::Program AwaitProgram(Fleet& fleet, const std::string& node, const std::string& label,
                         const std::string& what,
                         const std::function<bool(const v1::Program&)>& matches,
                         std::chrono::milliseconds limit = 30s);
v1::Program AwaitProgram(Fleet& fleet, const std::string& node, const std::string& label,
                         v1::ProgramState state, std::chrono::milliseconds limit = 30s);

// Pid of the main process by label, of all programs of a node; waits until all of them run.
std::map<std::string, pid_t> AwaitPids(Fleet& fleet, const std::string& node, size_t programs);

// All that `procctl-cli history` tells of "NODE/PROGRAM", oldest first. Throws when it fails.
std::vector<v1::Event> History(Fleet& fleet, const std::string& program);

// A process that the test did not start itself but its node did. Held by pidfd: what is asked and
// signalled is the process that had the pid when this was made.
class FleetProcess {
 public:
  // Throws HarnessError if there is no such process.
  explicit FleetProcess(pid_t pid);

  pid_t pid() const { return pid_; }
  bool Gone() const;
  // Refuses, by HarnessError, what is no child of `parent`.
  void SignalChildOf(pid_t parent, int signal) const;

 private:
  pid_t pid_;
  UniqueFd pidfd_;
};

}  // namespace procctl::e2e
