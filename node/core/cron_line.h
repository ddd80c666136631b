// One cron line: which local minutes it means. Knows nothing of zones and changes of clocks; that
// is CronTimes (schedule.h).
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/civil_time.h"

namespace procctl::node {

// "minute hour day month weekday", or @hourly, @daily, @weekly, @monthly, @yearly.
//
//   field      values                  a field is "*", a value, a range "a-b", either of "*" and
//   minute     0-59                    a range with a step "/n", or a list of these: "0,10-20/5"
//   hour       0-23
//   day        1-31
//   month      1-12, jan-dec
//   weekday    0-7, sun-sat; 0 and 7 are Sunday, and so is the end of "sat-sun"
//
// A field that leaves out at least one value is restricted, however it is written: "0-23" is "*",
// and "*/2" is restricted. Where day and weekday both are, a date that fits either is meant.
class CronLine {
 public:
  // INVALID_ARGUMENT names the field, quotes what is wrong and shows what would be right.
  static absl::StatusOr<CronLine> Parse(std::string_view text);

  // The first minute that it means, at or after `from`. Looks at days, not at minutes, and at no
  // more of them than lie within eight years: between two 29th of February there are no more.
  // nullopt only where no such day comes, which Parse refuses.
  std::optional<absl::CivilMinute> FirstFrom(absl::CivilMinute from) const;

  // The hour is not restricted: it is about an interval rather than a time of the day.
  bool every_hour() const;

 private:
  CronLine() = default;
  bool AnyDayComes() const;
  bool MeansDay(absl::CivilDay day) const;
  // The first minute of the day at or after hour:minute.
  std::optional<absl::CivilMinute> FirstOfDay(absl::CivilDay day, int hour, int minute) const;

  // Bit n: the value n.
  uint64_t minutes_ = 0;
  uint64_t hours_ = 0;
  uint64_t days_ = 0;
  uint64_t months_ = 0;
  // Sunday is 0.
  uint64_t weekdays_ = 0;
};

}  // namespace procctl::node
