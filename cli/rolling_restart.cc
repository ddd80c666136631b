#include "cli/rolling_restart.h"

#include <algorithm>
#include <utility>

#include "cli/program_wait.h"
#include "proto/support/duration_text.h"
#include "spdlog/fmt/fmt.h"

namespace procctl::cli {
namespace {

constexpr size_t kWhole = 100;
// What one call of the controller takes.
constexpr size_t kMostOfOneCall = 1000;

// Nobody wants it to run at present, so a restart would start what is to rest.
bool IsAtRest(const v1::Program& program) {
  return program.state() == v1::PROGRAM_STATE_STOPPED ||
         program.state() == v1::PROGRAM_STATE_SCHEDULED ||
         program.state() == v1::PROGRAM_STATE_DONE;
}

bool HasFailed(const v1::Program& program) {
  return program.state() == v1::PROGRAM_STATE_BACKOFF ||
         program.state() == v1::PROGRAM_STATE_PARKED || program.state() == v1::PROGRAM_STATE_DONE;
}

bool IsHeard(const v1::FleetProgram& row) { return row.node_state() == v1::NODE_STATE_CONNECTED; }

// What is not heard of counts as down: it cannot be relied upon.
bool IsAvailable(const v1::FleetProgram& row) {
  return IsHeard(row) && row.program().state() == v1::PROGRAM_STATE_RUNNING;
}

const v1::FleetProgram* Find(const v1::FleetProgram& row, const ProgramList& list) {
  for (const v1::FleetProgram& other : list.programs) {
    if (other.node() == row.node() && other.program().label() == row.program().label()) {
      return &other;
    }
  }
  return nullptr;
}

}  // namespace

size_t MostUnavailable(const Share& share, size_t total) {
  const auto number = static_cast<size_t>(std::max(share.number, 1));
  return std::clamp<size_t>(share.percent ? total * number / kWhole : number, 1, kMostOfOneCall);
}

RollingRestart::RollingRestart(std::vector<v1::FleetProgram> rows, const Share& share,
                               std::chrono::nanoseconds patience)
    : patience_(patience) {
  instances_.reserve(rows.size());
  for (v1::FleetProgram& row : rows) {
    Instance& instance = instances_.emplace_back();
    if (IsAtRest(row.program())) instance.phase = Phase::kLeftAlone;
    instance.row = std::move(row);
  }
  most_unavailable_ = MostUnavailable(share, Count(Phase::kWaiting));
}

size_t RollingRestart::Count(Phase phase) const {
  return static_cast<size_t>(
      std::count_if(instances_.begin(), instances_.end(),
                    [&](const Instance& instance) { return instance.phase == phase; }));
}

RollingRestart::Step RollingRestart::Decide(const ProgramList& list, Time now) {
  Step step;
  for (size_t i = 0; i < instances_.size(); ++i) {
    Look(i, Find(instances_[i].row, list), list, now, &step);
  }
  if (!step.failed) Begin(now, &step);
  if (!step.failed) JudgeBlocked(now, &step);
  step.done = !step.failed && Count(Phase::kWaiting) == 0 && Count(Phase::kUnderWay) == 0;
  return step;
}

void RollingRestart::Look(size_t i, const v1::FleetProgram* now_row, const ProgramList& list,
                          Time now, Step* step) {
  Instance& instance = instances_[i];
  const auto fail = [&](std::string why) {
    if (step->failed) return;
    step->failed = i;
    step->why = std::move(why);
  };
  instance.available = now_row != nullptr && IsAvailable(*now_row);
  switch (instance.phase) {
    case Phase::kLeftAlone:
      return;
    case Phase::kWaiting:
      if (now_row == nullptr || IsAtRest(now_row->program())) {
        instance.phase = Phase::kLeftAlone;
      } else {
        instance.row = *now_row;
      }
      return;
    case Phase::kReady:
      if (now_row == nullptr) {
        instance.phase = Phase::kLeftAlone;
      } else if (IsHeard(*now_row) && HasFailed(now_row->program())) {
        fail("it ran again, and ended: " + StandingText(now_row->program(), list.as_of));
      }
      return;
    case Phase::kUnderWay:
      break;
  }
  if (now_row == nullptr) return fail("it is no program of its node any more");
  const v1::Program& program = now_row->program();
  const Standing standing = IsHeard(*now_row)
                                ? Judge(v1::PROGRAM_ACTION_RESTART, instance.row.program(), program)
                                : Standing::kUnderWay;
  const bool runs = program.state() == v1::PROGRAM_STATE_RUNNING;
  if (standing == Standing::kReached && runs) {
    instance.phase = Phase::kReady;
    instance.took = now - instance.begun;
    instance.row = *now_row;
    step->ready.push_back(i);
  } else if (standing != Standing::kUnderWay) {
    fail(StandingText(program, list.as_of));
  } else if (now - instance.begun > patience_) {
    fail(fmt::format(
        "not running after {}: {}", FormatDuration(patience_),
        IsHeard(*now_row) ? StandingText(program, list.as_of) : "its node cannot be heard"));
  } else {
    instance.available = false;  // what still runs is the old life
  }
}

void RollingRestart::Begin(Time now, Step* step) {
  size_t under_way = Count(Phase::kUnderWay);
  auto down = static_cast<size_t>(
      std::count_if(instances_.begin(), instances_.end(), [](const Instance& instance) {
        return instance.phase != Phase::kLeftAlone && !instance.available;
      }));
  // First what is down already: its restart costs nothing.
  for (const bool running : {false, true}) {
    for (size_t i = 0; i < instances_.size(); ++i) {
      Instance& instance = instances_[i];
      if (instance.phase != Phase::kWaiting || instance.available != running) continue;
      if (!IsHeard(instance.row)) continue;
      if (under_way >= most_unavailable_) return;
      if (running && down >= most_unavailable_) return;
      if (running) ++down;
      ++under_way;
      instance.phase = Phase::kUnderWay;
      instance.available = false;
      instance.begun = now;
      step->begin.push_back(i);
    }
  }
}

void RollingRestart::JudgeBlocked(Time now, Step* step) {
  if (Count(Phase::kUnderWay) > 0 || Count(Phase::kWaiting) == 0) {
    blocked_since_.reset();
    return;
  }
  if (!blocked_since_) blocked_since_ = now;
  if (now - *blocked_since_ <= patience_) return;
  for (size_t i = 0; i < instances_.size(); ++i) {
    const Instance& instance = instances_[i];
    if (instance.available || instance.phase == Phase::kLeftAlone) continue;
    step->failed = i;
    step->why = fmt::format("it has not been running for {}, so no other may be restarted",
                            FormatDuration(patience_));
    return;
  }
}

}  // namespace procctl::cli
