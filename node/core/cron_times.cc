#include "node/core/cron_times.h"

#include <algorithm>
#include <string>

#include "absl/status/status.h"
#include "absl/time/civil_time.h"
#include "proto/support/escape.h"
#include "spdlog/fmt/fmt.h"

namespace procctl::node {
namespace {

absl::Time StartOfYear(int year) {
  return absl::FromCivil(absl::CivilSecond(year), absl::UTCTimeZone());
}

// The names that are taken for zones: nothing that tzdata would read as a path of its own, nor
// "localtime", which means something else on each host.
bool MayBeZone(std::string_view name) {
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '/' ||
           c == '_' || c == '-' || c == '+';
  };
  return name.front() != '/' && name != "localtime" &&
         std::all_of(name.begin(), name.end(), allowed);
}

}  // namespace

absl::StatusOr<CronTimes> CronTimes::Parse(std::string_view text, std::string_view time_zone) {
  absl::StatusOr<CronLine> line = CronLine::Parse(text);
  if (!line.ok()) return line.status();
  absl::TimeZone zone = absl::UTCTimeZone();
  if (!time_zone.empty() &&
      (!MayBeZone(time_zone) || !absl::LoadTimeZone({time_zone.data(), time_zone.size()}, &zone))) {
    return absl::InvalidArgumentError(
        fmt::format("time zone \"{}\" is not known; use a name such as Europe/Berlin or UTC (those "
                    "that there are come with the package tzdata)",
                    Escape(time_zone)));
  }
  return CronTimes(*line, zone);
}

absl::Time CronTimes::NextAfter(absl::Time t) const {
  // Beyond these the arithmetic of local times would overflow.
  static const absl::Time kFirst = StartOfYear(1);
  static const absl::Time kLast = StartOfYear(9000);
  if (t >= kLast) return absl::InfiniteFuture();
  t = std::max(t, kFirst);
  return line_.every_hour() ? NextInterval(t) : NextTimeOfDay(t);
}

// A local minute is due at its time; skipped, at the end of the gap; twice there, at the first.
// Later minutes are then never due earlier, so the first minute whose due time is after `t` is the
// answer.
absl::Time CronTimes::NextTimeOfDay(absl::Time t) const {
  absl::CivilMinute from(absl::ToCivilSecond(t, zone_));
  while (true) {
    const std::optional<absl::CivilMinute> minute = line_.FirstFrom(from);
    if (!minute) return absl::InfiniteFuture();
    const absl::TimeZone::TimeInfo at = zone_.At(absl::CivilSecond(*minute));
    const absl::Time due = at.kind == absl::TimeZone::TimeInfo::SKIPPED ? at.trans : at.pre;
    if (due > t) return due;
    from = *minute + 1;
  }
}

// Between two changes of clocks local time is real time, shifted. So each such span is searched by
// itself: a minute that it does not reach does not exist in it.
absl::Time CronTimes::NextInterval(absl::Time t) const {
  absl::Time from = t + absl::Nanoseconds(1);
  while (true) {
    const absl::TimeZone::CivilInfo local = zone_.At(from);
    absl::CivilMinute first(local.cs);
    if (local.cs.second() != 0 || local.subsecond != absl::ZeroDuration()) ++first;
    const std::optional<absl::CivilMinute> minute = line_.FirstFrom(first);
    if (!minute) return absl::InfiniteFuture();
    const absl::Time due =
        from - local.subsecond + absl::Seconds(absl::CivilSecond(*minute) - local.cs);
    absl::TimeZone::CivilTransition change;
    if (!zone_.NextTransition(from, &change)) return due;
    const absl::Time changed = zone_.At(change.to).trans;
    if (due < changed || changed <= from) return due;
    from = changed;
  }
}

std::optional<absl::Time> CronTimes::LastIn(absl::Time since, absl::Time until) const {
  absl::Time last = NextAfter(since);
  if (last > until) return std::nullopt;
  // Halves the span behind the last one known: either there is one in its later half, or that half
  // is done with.
  absl::Time end = until;
  while (true) {
    absl::Time next = NextAfter(last);
    if (next > end) return last;
    last = next;
    const absl::Time middle = last + (end - last) / 2;
    next = NextAfter(middle);
    if (next <= end) {
      last = next;
    } else {
      end = middle;
    }
  }
}

}  // namespace procctl::node
