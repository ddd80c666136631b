// The supervisors that programs_bench compares, each in a folder of its own and in the foreground,
// with any number of the same small program (started.c) to keep.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/e2e/harness/child.h"

namespace procctl::bench {

enum class Kind { kProcctl, kSupervisord, kS6 };

// What started.c writes first thing.
struct Mark {
  int64_t nanoseconds = 0;  // CLOCK_MONOTONIC
  int64_t pid = 0;
};

// One process of a supervisor, as opposed to the programs it keeps.
struct Part {
  std::string name;
  pid_t pid = -1;
};

const char* NameOf(Kind kind);
// The program to start; empty if this machine has none.
std::string ProgramOf(Kind kind);

// From its start to the end of this object. Throws e2e::HarnessError if something does not come up.
// One at a time: what its end leaves behind is found among the children of this process, which has
// to be a subreaper (PR_SET_CHILD_SUBREAPER).
class Supervisor {
 public:
  // Returns once all programs run.
  Supervisor(Kind kind, int programs);
  ~Supervisor();
  Supervisor(const Supervisor&) = delete;
  Supervisor& operator=(const Supervisor&) = delete;

  // Those that were there when all ran, in the order they came.
  const std::vector<Mark>& first() const { return first_; }
  // The next program that began to run.
  Mark Await(std::chrono::milliseconds limit);
  std::vector<Part> Parts() const;

 private:
  e2e::Launch Prepare(int programs) const;
  e2e::Launch PrepareProcctl(int programs) const;
  e2e::Launch PrepareSupervisord(int programs) const;
  e2e::Launch PrepareS6(int programs) const;
  void Stop();

  Kind kind_;
  std::string folder_;
  // In memory: where procctl-node keeps what the next one takes up, as in /run.
  std::string runtime_;
  int fifo_ = -1;
  e2e::Child process_;
  std::vector<Mark> first_;
};

}  // namespace procctl::bench
