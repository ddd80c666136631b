// When a program with `cron` runs. Pure: wall time comes in, due times go out.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "node/core/mono_time.h"

namespace procctl::node {

// The due times of one cron line in one time zone. A local time that a change of clocks skips is due
// right after the change; one that comes twice is due once, the first time.
class CronTimes {
 public:
  // "minute hour day month weekday" (lists, ranges, steps, names of months and days; day and weekday
  // both restricted: either), or @hourly, @daily, @weekly, @monthly, @yearly. `time_zone`: an IANA
  // name; empty: UTC. INVALID_ARGUMENT says which field is wrong and what would be right, also where
  // no such day ever comes (30 February).
  static absl::StatusOr<CronTimes> Parse(std::string_view text, std::string_view time_zone);

  // The first due time after `t`.
  absl::Time NextAfter(absl::Time t) const;
  // The last due time in (since, until]; nullopt if there is none.
  std::optional<absl::Time> LastIn(absl::Time since, absl::Time until) const;
  const absl::TimeZone& zone() const { return zone_; }

 private:
  absl::TimeZone zone_;
};

enum class Overlap { kSkip, kQueue, kKill };

struct ScheduleRule {
  CronTimes cron;
  Overlap overlap = Overlap::kSkip;
  Nanos catch_up{0};
  Nanos jitter{0};
};

// What of the due times was dealt with. Kept in the journal before anything is started, so that each
// due time leads to one run at most, whoever is killed when.
struct ScheduleState {
  // No due time at or before it runs any more.
  absl::Time last_due;
  // Due already, not started yet: waits for its jitter, or for the end of the run before (queue,
  // kill).
  std::optional<absl::Time> pending;
};

class Schedule {
 public:
  // A run that can be started within this of its due time is on time and needs no catch_up.
  static constexpr Nanos kOnTime = std::chrono::minutes(1);
  // A wall clock that was set back by more than this had been wrong: the schedule begins anew with
  // the present time. By less, and what was dealt with stays so.
  static constexpr Nanos kClockWasWrong = std::chrono::hours(25);

  // `seed`: makes the jitter, with the due time; the same for one node and program.
  Schedule(ScheduleRule rule, uint64_t seed, ScheduleState state);

  struct Answer {
    // The due time whose run is to be started now.
    std::optional<absl::Time> start;
    // End the run that goes on; once it has ended, the pending one is started.
    bool kill_running = false;
    // Whole sentences about due times at which nothing is started.
    std::vector<std::string> skipped;
    // state() has changed and must be kept before anything is started.
    bool changed = false;
  };
  // To be called now and then, and when a run has ended.
  Answer Look(absl::Time now, bool running);

  // When something is started next, jitter included; to show.
  absl::Time next(absl::Time now) const;
  const ScheduleState& state() const { return state_; }

 private:
  ScheduleRule rule_;
  uint64_t seed_;
  ScheduleState state_;
};

// The name of a run: its due time in UTC, such as 2026-03-29T01:30:00Z.
std::string RunOf(absl::Time due);

}  // namespace procctl::node
