// The pace of a rolling restart: which instance is next, and when it must end. Pure: rows and the
// time in, targets out.
//
// Never more than a given number of the instances are not running at a time, whoever brought them
// down. Each that was begun must run in a new life before another takes its place; the first that
// does not ends the whole.
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "cli/options.h"
#include "cli/render.h"
#include "procctl/v1/fleet_service.pb.h"

namespace procctl::cli {

// How many of `total` may be down at once: a share is rounded down; at least 1, at
// most the 1000 that one call orders.
size_t MostUnavailable(const Share& share, size_t total);

class RollingRestart {
 public:
  using Time = std::chrono::steady_clock::time_point;

  enum class Phase {
    kWaiting,    // not begun
    kUnderWay,   // ordered, and not running again yet
    kReady,      // runs in a new life
    kLeftAlone,  // nobody wants it to run: stopped, scheduled, done, or no program any more
  };

  struct Step {
    std::vector<size_t> begin;  // to be ordered now, with the incarnation of row(i)
    std::vector<size_t> ready;  // came up since the last step
    // The first that failed, and how; nothing more may be begun.
    std::optional<size_t> failed;
    std::string why;
    bool done = false;  // nothing is left to do
  };

  // `rows` are the selected instances. `patience` is how long one may take from its order to its
  // new life, and how long the whole may be blocked by instances that others brought down.
  RollingRestart(std::vector<v1::FleetProgram> rows, const Share& share,
                 std::chrono::nanoseconds patience);

  // `list` is what the controller shows now: the instances are found in it by node and label.
  Step Decide(const ProgramList& list, Time now);

  size_t most_unavailable() const { return most_unavailable_; }
  size_t size() const { return instances_.size(); }
  // As it was when it was looked at last; of one that was begun: when it was begun.
  const v1::FleetProgram& row(size_t i) const { return instances_[i].row; }
  Phase phase(size_t i) const { return instances_[i].phase; }
  // From its order to its new life.
  std::chrono::nanoseconds took(size_t i) const { return instances_[i].took; }

 private:
  struct Instance {
    v1::FleetProgram row;
    Phase phase = Phase::kWaiting;
    bool available = false;
    Time begun;
    std::chrono::nanoseconds took{0};
  };

  // Moves one instance by what is seen of it; null: it is not there any more.
  void Look(size_t i, const v1::FleetProgram* now_row, const ProgramList& list, Time now,
            Step* step);
  void Begin(Time now, Step* step);
  void JudgeBlocked(Time now, Step* step);
  size_t Count(Phase phase) const;

  std::vector<Instance> instances_;
  size_t most_unavailable_ = 1;
  std::chrono::nanoseconds patience_;
  std::optional<Time> blocked_since_;
};

}  // namespace procctl::cli
