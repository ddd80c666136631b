// The simulated host: its clocks, and processes that beat, hang, stop, sleep, die and give their
// pids to others. Knows the truth and nothing of guards.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "node/core/mono_time.h"
#include "node/core/process_identity.h"
#include "node/core/seams.h"
#include "node/heartbeat/include/procctl/heartbeat.h"
#include "tests/sim/plan.h"

namespace procctl::sim {

using node::Nanos;

inline Nanos Ms(int64_t n) { return std::chrono::milliseconds(n); }

// One heart as its process sees it.
struct Beater {
  int64_t name = 0;
  // Of the slot that it was given.
  int64_t generation = 0;
  // Where it beats.
  std::shared_ptr<procctl_page> page;
  // What the guardian looks at: the same page, or for a row of the classic table its copy.
  std::shared_ptr<procctl_page> shown;
  // Zero: never.
  Nanos every{};
  Nanos progress_every{};
  Nanos next_beat{};
  Nanos next_progress{};
  // Zero: not at long work.
  Nanos busy_until{};

  bool classic() const { return page != shown; }
};

struct Proc {
  size_t id = 0;
  node::ProcessIdentity identity;
  std::string comm;
  int64_t uid = 0;
  bool kernel_thread = false;
  bool canary = false;
  // The guardian has no pidfd of it, only its number.
  bool naked = false;
  OnTerm on_term = kDies;
  Nanos term_delay{};

  bool alive = true;
  // Still in the process table, alive or zombie.
  bool listed = true;
  bool stopped = false;
  bool frozen = false;
  int32_t tracer = 0;
  // Signals are refused by the kernel.
  bool denied = false;
  // All its hearts become well in the very moment in which the guardian reads for the nth time what
  // the kernel says of it; 0: no such thing.
  int64_t recover_on_look = 0;
  // In uninterruptible sleep until then; zero: not.
  Nanos wakes{};
  // Dies then; zero: not.
  Nanos dies{};
  Nanos died{};
  Nanos zombie_until{};
  bool term_pending = false;
  bool kill_pending = false;
  std::vector<Beater> hearts;

  bool runs() const { return alive && !stopped && !frozen && tracer == 0 && wakes == Nanos(0); }
  Beater* heart(int64_t name);
};

class Host {
 public:
  Nanos now() const { return now_; }
  Nanos suspended() const { return suspended_; }
  node::MonoTime mono() const { return node::MonoTime(now_); }
  node::ClockReading Clock() const { return {mono(), suspended_}; }

  // Lets everybody live until then.
  void Advance(Nanos to);
  // Nobody runs, and CLOCK_MONOTONIC stands still.
  void Suspend(Nanos length) { suspended_ += length; }

  // Whoever had the pid is gone without a trace.
  Proc& Spawn(int32_t pid);
  // Who is found under the pid now; nullptr: nobody.
  Proc* At(int32_t pid);
  const std::vector<std::unique_ptr<Proc>>& all() const { return all_; }

  void Deliver(Proc& proc, int signal);
  void Die(Proc& proc, Nanos zombie_for);
  void RecoverNow(Proc& proc);
  // After any change of what keeps it from running.
  void Resumed(Proc& proc);

 private:
  void Live(Proc& proc, Nanos to);
  void Term(Proc& proc);

  Nanos now_ = std::chrono::seconds(1000);
  Nanos suspended_ = std::chrono::seconds(50);
  int64_t next_start_ = 5000;
  std::vector<std::unique_ptr<Proc>> all_;
  // Alive, or with a pid.
  std::vector<Proc*> listed_;
};

}  // namespace procctl::sim
