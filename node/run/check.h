// One run of the --check command.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <string>

#include "node/run/own_child.h"

namespace procctl::run {

// What a finished check says.
struct CheckResult {
  bool passed = false;
  // For the note: "check exited 3: no answer" with the first line of what it printed; empty if it
  // passed. At most 127 bytes, unescaped.
  std::string note;
};

class Check {
 public:
  using Clock = std::chrono::steady_clock;

  // Starts /bin/sh -c `command` in a process group of its own, stdin empty, stdout and stderr read
  // by us. It has until `limit` from `now`. `started()` is false and the result a failure where it
  // cannot be started.
  Check(const std::string& command, pid_t program, Clock::time_point now,
        std::chrono::milliseconds limit);

  pid_t pid() const { return child_.pid(); }
  bool started() const { return child_.started(); }
  Clock::time_point deadline() const { return deadline_; }
  // Readable when there is output to take; -1 once that has ended.
  int output_fd() const { return output_.get(); }
  void TakeOutput();

  // Its time is over: kills the whole group and returns the note. Its end then comes as usual; the
  // deadline does not come again.
  std::string Expire();
  // Once it has ended: kills what it left behind in its group and reaps it.
  CheckResult Finish();
  // Kills it without waiting for its end.
  void Abandon() { child_.KillGroup(); }

 private:
  OwnChild child_;
  UniqueFd output_;
  Clock::time_point deadline_;
  std::chrono::milliseconds limit_;
  int start_error_ = 0;
  bool expired_ = false;
  bool line_complete_ = false;
  std::string first_line_;
};

}  // namespace procctl::run
