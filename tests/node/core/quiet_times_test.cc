// When it is quiet, and until when.
#include "node/core/quiet_times.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

namespace procctl::node {
namespace {

using std::chrono::hours;
using std::chrono::minutes;

constexpr absl::Duration kTick = absl::Nanoseconds(1);

absl::Time Utc(const std::string& text) {
  absl::Time time;
  std::string error;
  EXPECT_TRUE(absl::ParseTime(absl::RFC3339_full, text + "Z", &time, &error)) << error;
  return time;
}

QuietTimes Quiet(const std::vector<std::pair<std::string, Nanos>>& windows,
                 const std::string& zone = "") {
  std::vector<QuietWindow> out;
  for (const auto& [from, last] : windows) out.push_back({*CronTimes::Parse(from, zone), last});
  return QuietTimes(std::move(out));
}

TEST(QuietTimes, BeginsAtFromAndIsOverAfterLast) {
  const QuietTimes quiet = Quiet({{"0 22 * * *", hours(8)}});
  const absl::Time from = Utc("2026-11-26T22:00:00");
  const absl::Time end = Utc("2026-11-27T06:00:00");
  EXPECT_EQ(quiet.EndAfter(from - kTick), std::nullopt);
  EXPECT_EQ(quiet.EndAfter(from), end);
  EXPECT_EQ(quiet.EndAfter(end - kTick), end);
  EXPECT_EQ(quiet.EndAfter(end), std::nullopt);
  EXPECT_EQ(quiet.NextFrom(end), from + absl::Hours(24));
}

TEST(QuietTimes, WithoutWindowsItIsNeverQuiet) {
  EXPECT_EQ(QuietTimes().EndAfter(Utc("2026-11-26T22:00:00")), std::nullopt);
  EXPECT_EQ(QuietTimes().NextFrom(Utc("2026-11-26T22:00:00")), absl::InfiniteFuture());
  EXPECT_FALSE(QuietTimes().NeverEnd());
}

TEST(QuietTimes, WindowsThatOverlapEndTogether) {
  // The second begins within the first, the third exactly at the end of the second, and the last
  // one within itself again.
  const QuietTimes quiet =
      Quiet({{"0 1 * * *", hours(2)}, {"30 2 * * *", hours(2)}, {"30,45 4 * * *", minutes(30)}});
  const absl::Time end = Utc("2026-11-26T05:15:00");
  for (const char* at : {"2026-11-26T01:00:00", "2026-11-26T02:45:00", "2026-11-26T03:30:00",
                         "2026-11-26T04:30:00", "2026-11-26T05:00:00"}) {
    EXPECT_EQ(quiet.EndAfter(Utc(at)), end) << at;
  }
  EXPECT_EQ(quiet.EndAfter(end), std::nullopt);
}

TEST(QuietTimes, AGapOfAMinuteIsNotQuiet) {
  const QuietTimes quiet = Quiet({{"0 1 * * *", hours(1)}, {"1 2 * * *", hours(1)}});
  EXPECT_EQ(quiet.EndAfter(Utc("2026-11-26T01:30:00")), Utc("2026-11-26T02:00:00"));
  EXPECT_EQ(quiet.EndAfter(Utc("2026-11-26T02:00:30")), std::nullopt);
  EXPECT_EQ(quiet.EndAfter(Utc("2026-11-26T02:01:00")), Utc("2026-11-26T03:01:00"));
}

// On the 29th of March 2026 Berlin skips 02:00 to 03:00, on the 25th of October that hour comes
// twice.
TEST(QuietTimes, LastsAsLongAsItSaysOnTheDaysOfClockChanges) {
  const QuietTimes night = Quiet({{"0 22 * * *", hours(8)}}, "Europe/Berlin");
  // 22:00 is 21:00 UTC in winter; the clock then says 07:00, not 06:00.
  EXPECT_EQ(night.EndAfter(Utc("2026-03-29T01:30:00")), Utc("2026-03-29T05:00:00"));
  EXPECT_EQ(night.EndAfter(Utc("2026-10-25T01:30:00")), Utc("2026-10-25T04:00:00"));
  // One that begins in the hour that is skipped begins right after the change.
  const QuietTimes skipped = Quiet({{"30 2 * * *", hours(1)}}, "Europe/Berlin");
  EXPECT_EQ(skipped.EndAfter(Utc("2026-03-29T00:59:59")), std::nullopt);
  EXPECT_EQ(skipped.EndAfter(Utc("2026-03-29T01:00:00")), Utc("2026-03-29T02:00:00"));
  // One in the hour that comes twice begins the first time, and that once.
  EXPECT_EQ(skipped.EndAfter(Utc("2026-10-25T00:30:00")), Utc("2026-10-25T01:30:00"));
  EXPECT_EQ(skipped.EndAfter(Utc("2026-10-25T01:30:00")), std::nullopt);
}

TEST(QuietTimes, ASummerOfDaysIsOneQuietTimeWithAnEnd) {
  const QuietTimes quiet = Quiet({{"0 0 * 7,8 *", hours(24)}});
  EXPECT_EQ(quiet.EndAfter(Utc("2026-07-01T00:00:00")), Utc("2026-09-01T00:00:00"));
  EXPECT_FALSE(quiet.NeverEnd());
}

TEST(QuietTimes, WhatHasNoGapNeverEnds) {
  EXPECT_TRUE(Quiet({{"* * * * *", minutes(1)}}).NeverEnd());
  EXPECT_TRUE(Quiet({{"0 * * * *", hours(1)}}).NeverEnd());
  EXPECT_TRUE(Quiet({{"0 0 * * 0", hours(24 * 7)}}).NeverEnd());
  EXPECT_TRUE(Quiet({{"0 0 * * *", hours(12)}, {"0 12 * * *", hours(12)}}).NeverEnd());
  EXPECT_FALSE(Quiet({{"0 * * * *", minutes(59)}}).NeverEnd());
  EXPECT_FALSE(Quiet({{"0 0 * * 1", hours(24 * 6)}}).NeverEnd());
}

TEST(QuietTimes, MoreWindowsThanAreJoinedAreToldInParts) {
  const QuietTimes quiet = Quiet({{"* * * 8 *", minutes(1)}});
  absl::Time at = Utc("2026-08-01T00:00:00");
  int parts = 0;
  while (const auto end = quiet.EndAfter(at)) {
    ASSERT_GT(*end, at);
    at = *end;
    ASSERT_LT(++parts, 100);
  }
  EXPECT_EQ(at, Utc("2026-09-01T00:00:00"));
  EXPECT_GT(parts, 1);
}

TEST(QuietNow, SaysTheSameWhereverTheClockIsSet) {
  const QuietTimes quiet = Quiet({{"0 1 * * *", hours(2)}, {"30 2 * * *", hours(2)}});
  QuietNow now(quiet);
  for (const char* at :
       {"2026-11-26T00:00:00", "2026-11-26T01:00:00", "2026-11-26T04:29:59", "2026-11-26T04:30:00",
        "2026-11-26T03:00:00", "2026-11-26T00:59:59", "2030-01-01T02:00:00", "2026-11-26T12:00:00",
        "2026-11-25T02:00:00", "2026-11-25T05:00:00", "2026-11-26T02:00:00"}) {
    EXPECT_EQ(now.EndAfter(Utc(at)), quiet.EndAfter(Utc(at))) << at;
  }
}

}  // namespace
}  // namespace procctl::node
