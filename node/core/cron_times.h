// When a cron line is due, in real time: its local minutes, one time zone and the changes of
// clocks.
#pragma once

#include <optional>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "node/core/cron_line.h"

namespace procctl::node {

// The due times of one cron line in one time zone. All are whole seconds. On the days when clocks
// change:
//
//   the line's hour is        restricted ("30 2 * * *")           "*" ("*/10 * * * *")
//   it means                  a time of the day                   an interval
//   a local time is skipped   due once, right after the change,   nothing is made up:
//                             however many of its minutes are     it goes on in real time
//                             skipped
//   a local time comes twice  due once, the first time            due both times
//
// Where a minute that is skipped and one right after the change fall together, they are one due
// time. "0-23" as hour is "*"; "*/2" is restricted.
class CronTimes {
 public:
  // `text`: see CronLine. `time_zone`: an IANA name such as Europe/Berlin; empty: UTC. Reads the
  // zone from tzdata, once in the life of the process: the one thing here that looks at the world.
  // INVALID_ARGUMENT says which field is wrong and what would be right, also where no such day ever
  // comes (30 February).
  static absl::StatusOr<CronTimes> Parse(std::string_view text, std::string_view time_zone);

  // The first due time after `t`; InfiniteFuture from the year 9000 on. Its work is bounded by days
  // and changes of clocks within eight years, not by minutes.
  absl::Time NextAfter(absl::Time t) const;
  // The last due time in (since, until]; nullopt if there is none. As much work as some dozens of
  // NextAfter, however long the span.
  std::optional<absl::Time> LastIn(absl::Time since, absl::Time until) const;
  const absl::TimeZone& zone() const { return zone_; }

 private:
  CronTimes(CronLine line, absl::TimeZone zone) : line_(line), zone_(zone) {}
  absl::Time NextTimeOfDay(absl::Time t) const;
  absl::Time NextInterval(absl::Time t) const;

  CronLine line_;
  absl::TimeZone zone_;
};

}  // namespace procctl::node
