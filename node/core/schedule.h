// When a program with `cron` runs. Pure: wall time comes in, due times go out.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "node/core/cron_times.h"
#include "node/core/mono_time.h"
#include "node/core/quiet_times.h"

namespace procctl::node {

// A run that still goes on when the next one could start: that one is left out, waits for its end,
// or has it ended.
enum class Overlap { kSkip, kQueue, kKill };

struct ScheduleRule {
  CronTimes cron;
  Overlap overlap = Overlap::kSkip;
  Nanos catch_up{0};
  Nanos jitter{0};
  // Nothing is started and no run is ended for the next one in these times.
  QuietTimes quiet;
};

// What of the due times was dealt with. Kept in the journal before anything is started, so that
// each due time leads to one run at most, whoever is killed when.
struct ScheduleState {
  // No due time at or before it runs any more. As it is by default: none was dealt with yet, and
  // the first Look begins with the present time.
  absl::Time last_due;
  // Due already, not started yet: waits for its jitter, or for the end of the run before (queue,
  // kill). One at most.
  std::optional<absl::Time> pending;
};

// From a due time to its run:
//
//   due --Look in time--> pending --jitter over, nothing runs--> started
//    |                       |
//    | too late, or one      | skip: the run before goes on; or too late
//    | is pending already    |
//    +-----------------------+--> left out, with a sentence
//
// In a quiet time nothing is started: a due time that lies in one, or whose jitter puts its start
// into one, is left out. It is told of once for each such time, at the first due time in it. With
// catch_up the last of them, if it will be at most so old by then, is kept pending and started when
// the quiet time ends. So is what a run held up until then (queue, kill).
//
// Too late: more than max(kOnTime, catch_up) after the due time, or for a pending one after the end
// of its jitter. What a run held up (queue, kill) has had its turn and is never too late. Of
// several due times since the last Look only the latest may run. A wall clock that jumps forward is
// like having been down. One that is set back runs nothing again: the next due time is the first
// after last_due, unless the clock had been wrong (kClockWasWrong).
class Schedule {
 public:
  // A run that can be started within this of its due time is on time and needs no catch_up. So Look
  // is to be called well more often than this.
  static constexpr Nanos kOnTime = std::chrono::minutes(1);
  // A wall clock that was set back to more than this before last_due had been wrong: the schedule
  // begins anew with the present time. By less, and what was dealt with stays so.
  static constexpr Nanos kClockWasWrong = std::chrono::hours(25);

  // `seed`: makes the jitter, with the due time; the same for one node and program.
  Schedule(ScheduleRule rule, uint64_t seed, ScheduleState state);

  struct Answer {
    // The due time whose run is to be started now.
    std::optional<absl::Time> start;
    // End the run that goes on; once it has ended, the pending one is started. Said at each Look
    // until then.
    bool kill_running = false;
    // Whole sentences about due times at which nothing is started.
    std::vector<std::string> skipped;
    // The same where that is as it should be: it is quiet.
    std::optional<std::string> quiet;
    // state() has changed and must be kept before anything is started; together with the fact of
    // the start, or a crash between the two loses the run.
    bool changed = false;
  };
  // To be called now and then, and when a run has ended. `running`: a run is being started, goes on
  // or is being stopped.
  Answer Look(absl::Time now, bool running);

  // When something is started next, jitter and quiet times included, if no run is in its way; to
  // show. InfiniteFuture: never, or not for hundreds of quiet times.
  absl::Time next(absl::Time now) const;
  const ScheduleState& state() const { return state_; }

 private:
  // Due times at which nothing was started because nobody looked.
  struct Missed;
  void BeginAnew(absl::Time now, Answer* answer);
  void TakeNew(absl::Time now, Missed* missed, Answer* answer);
  void TakeLatest(absl::Time due, absl::Time now, Missed* missed, Answer* answer);
  void TellQuiet(absl::Time due, absl::Time until, absl::Time now, Answer* answer) const;
  void SettlePending(absl::Time now, bool running, Missed* missed, Answer* answer);
  absl::Time StartOf(absl::Time due) const;
  absl::Duration Reach() const;
  std::optional<absl::Time> QuietUntil(absl::Time due) const;
  bool MadeUpFor(absl::Time due, absl::Time quiet_until) const;
  bool TooLate(absl::Time since, std::optional<absl::Time> quiet_until, absl::Time now) const;
  absl::Time NextDue();

  ScheduleRule rule_;
  uint64_t seed_;
  ScheduleState state_;
  // The first due time after state_.last_due, once it was asked for: a Look at which nothing is due
  // costs one comparison.
  std::optional<absl::Time> next_due_;
  // Whether this object has looked before, and has seen a run hold up the pending one.
  bool looked_ = false;
  bool held_up_ = false;
};

// The name of a run: its due time in UTC, such as 2026-03-29T01:30:00Z.
std::string RunOf(absl::Time due);

}  // namespace procctl::node
