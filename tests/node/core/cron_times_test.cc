#include "node/core/cron_times.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

namespace procctl::node {
namespace {

using ::testing::HasSubstr;

CronTimes Times(std::string_view text, std::string_view zone = "") {
  absl::StatusOr<CronTimes> times = CronTimes::Parse(text, zone);
  EXPECT_TRUE(times.ok()) << std::string(times.status().message());
  return *times;
}

absl::Time Utc(const std::string& text) {
  absl::Time time;
  std::string error;
  EXPECT_TRUE(absl::ParseTime(absl::RFC3339_full, text + "Z", &time, &error)) << error;
  return time;
}

// The due times after `from`, up to and with `to`, in UTC as "DD HH:MM".
std::vector<std::string> Due(const CronTimes& times, const std::string& from,
                             const std::string& to) {
  std::vector<std::string> due;
  absl::Time at = Utc(from);
  while (true) {
    at = times.NextAfter(at);
    if (at > Utc(to) || due.size() > 200) return due;
    due.push_back(absl::FormatTime("%d %H:%M", at, absl::UTCTimeZone()));
  }
}

using Minutes = std::vector<std::string>;

TEST(CronTimes, NextIsAfterNotAt) {
  const CronTimes times = Times("30 3 * * *");
  EXPECT_EQ(times.NextAfter(Utc("2026-03-01T03:30:00") - absl::Nanoseconds(1)),
            Utc("2026-03-01T03:30:00"));
  EXPECT_EQ(times.NextAfter(Utc("2026-03-01T03:30:00")), Utc("2026-03-02T03:30:00"));
  const CronTimes often = Times("*/10 * * * *");
  EXPECT_EQ(often.NextAfter(Utc("2026-03-01T03:30:00") - absl::Nanoseconds(1)),
            Utc("2026-03-01T03:30:00"));
  EXPECT_EQ(often.NextAfter(Utc("2026-03-01T03:30:00")), Utc("2026-03-01T03:40:00"));
}

// Berlin: 2026-03-29 02:00 CET becomes 03:00 CEST (01:00 UTC).
TEST(CronTimes, BerlinASkippedTimeIsDueRightAfterTheChange) {
  EXPECT_EQ(Due(Times("30 2 * * *", "Europe/Berlin"), "2026-03-28T00:00:00", "2026-03-31T00:00:00"),
            (Minutes{"28 01:30", "29 01:00", "30 00:30"}));
  EXPECT_EQ(
      Due(Times("*/15 2 * * *", "Europe/Berlin"), "2026-03-29T00:00:00", "2026-03-30T00:15:00"),
      (Minutes{"29 01:00", "30 00:00", "30 00:15"}))
      << "four skipped minutes are one due time";
  EXPECT_EQ(
      Due(Times("0 2,3 * * *", "Europe/Berlin"), "2026-03-29T00:00:00", "2026-03-29T23:00:00"),
      (Minutes{"29 01:00"}))
      << "a skipped minute falls together with one right after the change";
  EXPECT_EQ(
      Due(Times("30 2,3 * * *", "Europe/Berlin"), "2026-03-29T00:00:00", "2026-03-29T23:00:00"),
      (Minutes{"29 01:00", "29 01:30"}));
}

TEST(CronTimes, BerlinTheEdgesOfTheGapToTheNanosecond) {
  const CronTimes times = Times("30 2 * * *", "Europe/Berlin");
  const absl::Time changed = Utc("2026-03-29T01:00:00");
  EXPECT_EQ(times.NextAfter(changed - absl::Nanoseconds(1)), changed);
  EXPECT_EQ(times.NextAfter(changed), Utc("2026-03-30T00:30:00"));
  EXPECT_EQ(times.LastIn(changed - absl::Hours(1), changed - absl::Nanoseconds(1)), std::nullopt);
  EXPECT_EQ(times.LastIn(changed - absl::Hours(1), changed), changed);
  EXPECT_EQ(times.LastIn(changed, changed + absl::Hours(1)), std::nullopt);
}

// Berlin: 2026-10-25 03:00 CEST becomes 02:00 CET (01:00 UTC).
TEST(CronTimes, BerlinATimeThatComesTwiceIsDueTheFirstTime) {
  EXPECT_EQ(Due(Times("30 2 * * *", "Europe/Berlin"), "2026-10-24T00:00:00", "2026-10-27T00:00:00"),
            (Minutes{"24 00:30", "25 00:30", "26 01:30"}));
  EXPECT_EQ(
      Due(Times("*/30 2,3 * * *", "Europe/Berlin"), "2026-10-24T23:00:00", "2026-10-25T23:00:00"),
      (Minutes{"25 00:00", "25 00:30", "25 02:00", "25 02:30"}));
  const CronTimes times = Times("30 2 * * *", "Europe/Berlin");
  EXPECT_EQ(times.NextAfter(Utc("2026-10-25T01:30:00") - absl::Nanoseconds(1)),
            Utc("2026-10-26T01:30:00"));
}

TEST(CronTimes, BerlinIntervalsGoOnInRealTime) {
  const CronTimes times = Times("*/30 * * * *", "Europe/Berlin");
  EXPECT_EQ(Due(times, "2026-03-29T00:00:00", "2026-03-29T02:00:00"),
            (Minutes{"29 00:30", "29 01:00", "29 01:30", "29 02:00"}));
  EXPECT_EQ(Due(times, "2026-10-25T00:00:00", "2026-10-25T02:00:00"),
            (Minutes{"25 00:30", "25 01:00", "25 01:30", "25 02:00"}));
  // Only within what is skipped: nothing is made up.
  EXPECT_EQ(
      Due(Times("45 * 29 3 *", "Europe/Berlin"), "2026-03-28T23:00:00", "2026-03-29T02:50:00"),
      (Minutes{"28 23:45", "29 00:45", "29 01:45", "29 02:45"}));
}

// New York: 2026-03-08 02:00 EST becomes 03:00 EDT (07:00 UTC); 2026-11-01 02:00 EDT becomes 01:00
// EST (06:00 UTC).
TEST(CronTimes, NewYork) {
  const CronTimes daily = Times("15 2 * * *", "America/New_York");
  EXPECT_EQ(Due(daily, "2026-03-07T00:00:00", "2026-03-10T00:00:00"),
            (Minutes{"07 07:15", "08 07:00", "09 06:15"}));
  const CronTimes twice = Times("30 1 * * *", "America/New_York");
  EXPECT_EQ(Due(twice, "2026-10-31T00:00:00", "2026-11-03T00:00:00"),
            (Minutes{"31 05:30", "01 05:30", "02 06:30"}));
  EXPECT_EQ(Due(Times("@hourly", "America/New_York"), "2026-11-01T04:00:00", "2026-11-01T08:00:00"),
            (Minutes{"01 05:00", "01 06:00", "01 07:00", "01 08:00"}));
}

// Lord Howe moves by half an hour: 2026-10-04 02:00 becomes 02:30 (15:30 UTC the day before);
// 2026-04-05 02:00 becomes 01:30 (15:00 UTC the day before).
TEST(CronTimes, LordHoweMovesByHalfAnHour) {
  constexpr const char* kZone = "Australia/Lord_Howe";
  EXPECT_EQ(Due(Times("15 2 * * *", kZone), "2026-10-02T00:00:00", "2026-10-05T00:00:00"),
            (Minutes{"02 15:45", "03 15:30", "04 15:15"}));
  EXPECT_EQ(Due(Times("*/10 2 * * *", kZone), "2026-10-03T00:00:00", "2026-10-04T00:00:00"),
            (Minutes{"03 15:30", "03 15:40", "03 15:50"}))
      << "02:00, 02:10 and 02:20 are skipped, 02:30 comes";
  EXPECT_EQ(Due(Times("45 1 * * *", kZone), "2026-04-03T00:00:00", "2026-04-06T00:00:00"),
            (Minutes{"03 14:45", "04 14:45", "05 15:15"}));
  EXPECT_EQ(Due(Times("15,45 * * * *", kZone), "2026-04-04T14:00:00", "2026-04-04T16:30:00"),
            (Minutes{"04 14:15", "04 14:45", "04 15:15", "04 15:45", "04 16:15"}));
  EXPECT_EQ(Due(Times("0 * * * *", kZone), "2026-04-04T13:30:00", "2026-04-04T17:00:00"),
            (Minutes{"04 14:00", "04 15:30", "04 16:30"}))
      << "the clock shows 01:00, then 01:30 twice, then 02:00";
}

TEST(CronTimes, AMidnightThatIsSkipped) {
  // Santiago: 2026-09-06 00:00 becomes 01:00 (04:00 UTC).
  EXPECT_EQ(Due(Times("@daily", "America/Santiago"), "2026-09-05T00:00:00", "2026-09-08T00:00:00"),
            (Minutes{"05 04:00", "06 04:00", "07 03:00"}));
}

TEST(CronTimes, ADayThatIsSkipped) {
  // Apia went from 2011-12-29 24:00 to 2011-12-31 00:00 (10:00 UTC on the 30th).
  EXPECT_EQ(
      Due(Times("0 12 30 12 *", "Pacific/Apia"), "2011-12-01T00:00:00", "2012-01-31T00:00:00"),
      (Minutes{"30 10:00"}));
  EXPECT_EQ(Due(Times("0 * 30 12 *", "Pacific/Apia"), "2011-12-01T00:00:00", "2012-01-31T00:00:00"),
            (Minutes{}));
}

TEST(CronTimes, AZoneWithoutChanges) {
  const CronTimes times = Times("30 2 * * *", "Asia/Kolkata");
  absl::Time at = Utc("2026-01-01T00:00:00");
  for (int day = 1; day <= 365; ++day) {
    at = times.NextAfter(at);
    EXPECT_EQ(at, Utc("2025-12-31T21:00:00") + day * absl::Hours(24)) << day;
  }
}

TEST(CronTimes, EachDayHasItsDueTimeWhereverClocksChange) {
  for (const char* zone : {"Europe/Berlin", "America/New_York", "Australia/Lord_Howe"}) {
    for (const char* text : {"45 1 * * *", "15 2 * * *"}) {
      const CronTimes times = Times(text, zone);
      absl::Time at = times.NextAfter(Utc("2025-01-01T12:00:00"));
      for (int i = 0; i < 370; ++i) {
        const absl::Time next = times.NextAfter(at);
        ASSERT_EQ(absl::ToCivilDay(next, times.zone()), absl::ToCivilDay(at, times.zone()) + 1)
            << text << " " << zone << " " << next;
        at = next;
      }
    }
  }
}

TEST(CronTimes, UnknownZonesAreRefused) {
  for (const char* zone : {"Europe/Berln", "europe", "Europe", "CEST+", "/etc/localtime",
                           "localtime", "../zoneinfo/UTC", " UTC", "tzdata.zi", "\x1b[2J"}) {
    const absl::StatusOr<CronTimes> times = CronTimes::Parse("@daily", zone);
    ASSERT_FALSE(times.ok()) << zone;
    EXPECT_EQ(times.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(times.status().message()), HasSubstr("a name such as Europe/Berlin"));
    EXPECT_THAT(std::string(times.status().message()), HasSubstr("tzdata"));
  }
  EXPECT_EQ(Times("@daily").zone(), absl::UTCTimeZone());
  EXPECT_EQ(Times("@daily", "UTC").zone(), absl::UTCTimeZone());
  EXPECT_FALSE(CronTimes::Parse("x", "Europe/Berlin").ok());
}

TEST(CronTimes, FarIsFoundWithoutCountingMinutes) {
  // The rarest lines; minute by minute these would be tens of millions of steps.
  for (const char* text : {"30 12 29 2 *", "30 * 29 2 *"}) {
    const CronTimes times = Times(text, "Europe/Berlin");
    for (int year = 2028; year < 2096; year += 4) {
      const absl::Time due = times.NextAfter(Utc(std::to_string(year - 4) + "-03-01T12:00:00"));
      EXPECT_EQ(absl::ToCivilDay(due, times.zone()), absl::CivilDay(year, 2, 29));
    }
    EXPECT_EQ(absl::ToCivilDay(times.NextAfter(Utc("2096-03-01T12:00:00")), times.zone()),
              absl::CivilDay(2104, 2, 29));
  }
}

TEST(CronTimes, LastOfAVeryLongSpan) {
  const absl::Time since = Utc("1970-01-01T00:00:00");
  const absl::Time until = Utc("2026-11-26T00:00:30");
  EXPECT_EQ(Times("* * * * *", "Europe/Berlin").LastIn(since, until), Utc("2026-11-26T00:00:00"));
  EXPECT_EQ(Times("30 2 * * *").LastIn(since, until), Utc("2026-11-25T02:30:00"));
  EXPECT_EQ(Times("@yearly").LastIn(since, until), Utc("2026-01-01T00:00:00"));
  EXPECT_EQ(Times("0 0 29 2 *").LastIn(since, until), Utc("2024-02-29T00:00:00"));
  EXPECT_EQ(Times("0 0 29 2 *").LastIn(Utc("2024-02-29T00:00:00"), until), std::nullopt);
}

TEST(CronTimes, LastIsTheOneThatStepsForwardEndAt) {
  for (uint32_t seed = 1; seed <= 5; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    std::mt19937 random(seed);
    for (const char* text : {"7,8 3 * * *", "*/20 * * * *", "0 1,2 1-7 * sun"}) {
      const CronTimes times = Times(text, "America/New_York");
      const absl::Time since = Utc("2026-10-31T00:00:00") + absl::Seconds(random() % 100'000);
      const absl::Time until = since + absl::Seconds(random() % 200'000);
      std::optional<absl::Time> last;
      for (absl::Time at = times.NextAfter(since); at <= until; at = times.NextAfter(at)) last = at;
      EXPECT_EQ(times.LastIn(since, until), last) << text << " " << since << " " << until;
    }
  }
}

TEST(CronTimes, TheEndsOfTimeAreNoTrap) {
  for (const char* text : {"@daily", "@hourly"}) {
    const CronTimes times = Times(text, "Europe/Berlin");
    EXPECT_EQ(times.NextAfter(absl::InfiniteFuture()), absl::InfiniteFuture());
    EXPECT_LT(times.NextAfter(absl::InfinitePast()), Utc("0001-01-03T00:00:00"));
    EXPECT_EQ(times.LastIn(Utc("2026-01-01T00:00:00"), absl::InfinitePast()), std::nullopt);
  }
}

}  // namespace
}  // namespace procctl::node
