// A child of this process, and the only way to start one or to signal it.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "proto/support/unique_fd.h"

namespace procctl::run {

struct ChildRequest {
  std::vector<std::string> arguments;  // [0] is looked up in PATH
  // "NAME=VALUE" each, in place of what this process's environment has under those names.
  std::vector<std::string> variables;
  // Name of one more variable, whose value is the child's own pid; empty: none.
  std::string pid_variable;
  int stdin_fd = -1;  // -1: inherited
  int stdout_fd = -1;
  int stderr_fd = -1;
  bool own_group = false;  // leads a process group of its own; else it stays in this one
};

// Started and not yet waited for: until then its pid and its process group are nobody else's.
// The child begins with no signal blocked, and the kernel kills it should this process die.
class OwnChild {
 public:
  OwnChild() = default;

  // Returns once the program runs. `*error` is 0, or the errno of what failed and no child is left.
  // Single-threaded processes only: the kernel's promise above binds the child to the calling
  // thread.
  static OwnChild Start(const ChildRequest& request, int* error);

  bool started() const { return pid_ > 0; }
  pid_t pid() const { return pid_; }

  // By pidfd. False if it has ended.
  bool Signal(int signal) const;
  // SIGKILL to the group that it leads, itself included.
  void KillGroup() const;
  // Waits for it to end and reaps it: the wait status. `started()` is false afterwards.
  int Reap();

 private:
  pid_t pid_ = -1;
  UniqueFd pidfd_;
  bool leads_group_ = false;
};

}  // namespace procctl::run
