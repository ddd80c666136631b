#include "node/core/cron_line.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <string>
#include <tuple>
#include <vector>

namespace procctl::node {
namespace {

using absl::CivilMinute;
using ::testing::AllOf;
using ::testing::HasSubstr;

CronLine Line(std::string_view text) {
  absl::StatusOr<CronLine> line = CronLine::Parse(text);
  EXPECT_TRUE(line.ok()) << text << ": " << std::string(line.status().message());
  return *line;
}

// The next `count` minutes from `from` on, as "MM-DD HH:MM".
std::vector<std::string> Next(std::string_view text, CivilMinute from, int count) {
  const CronLine line = Line(text);
  std::vector<std::string> minutes;
  for (int i = 0; i < count; ++i) {
    const auto minute = line.FirstFrom(from);
    if (!minute) return minutes;
    const std::string written = absl::FormatCivilTime(*minute);
    minutes.push_back(written.substr(5, 5) + " " + written.substr(11));
    from = *minute + 1;
  }
  return minutes;
}

using Minutes = std::vector<std::string>;

TEST(CronLine, AMinuteThatItMeansIsItsOwnFirst) {
  const CronLine line = Line("30 3 * * *");
  EXPECT_EQ(line.FirstFrom(CivilMinute(2026, 3, 1, 3, 30)), CivilMinute(2026, 3, 1, 3, 30));
  EXPECT_EQ(line.FirstFrom(CivilMinute(2026, 3, 1, 3, 31)), CivilMinute(2026, 3, 2, 3, 30));
}

TEST(CronLine, ListsRangesAndSteps) {
  EXPECT_EQ(Next("0,10-20/5,59 8 * * *", CivilMinute(2026, 5, 1), 6),
            (Minutes{"05-01 08:00", "05-01 08:10", "05-01 08:15", "05-01 08:20", "05-01 08:59",
                     "05-02 08:00"}));
  EXPECT_EQ(Next("*/25 */11 * * *", CivilMinute(2026, 5, 1, 11, 1), 5),
            (Minutes{"05-01 11:25", "05-01 11:50", "05-01 22:00", "05-01 22:25", "05-01 22:50"}));
  EXPECT_EQ(Next("0\t0   1 jan,JUL *", CivilMinute(2026, 1, 2), 2),
            (Minutes{"07-01 00:00", "01-01 00:00"}));
}

TEST(CronLine, SundayIsZeroAndSevenAndTheEndOfARange) {
  // The 1st of March 2026 is a Sunday.
  for (const char* text : {"0 0 * * 0", "0 0 * * 7", "0 0 * * sun", "0 0 * * Sun"}) {
    EXPECT_EQ(Next(text, CivilMinute(2026, 3, 1), 2), (Minutes{"03-01 00:00", "03-08 00:00"}))
        << text;
  }
  for (const char* text : {"0 0 * * 6-7", "0 0 * * sat-sun", "0 0 * * 0,6"}) {
    EXPECT_EQ(Next(text, CivilMinute(2026, 3, 1), 3),
              (Minutes{"03-01 00:00", "03-07 00:00", "03-08 00:00"}))
        << text;
  }
  // Sunday, Tuesday, Thursday, Saturday: seven is no eighth day for a step.
  EXPECT_EQ(Next("0 0 * * */2", CivilMinute(2026, 3, 1), 5),
            (Minutes{"03-01 00:00", "03-03 00:00", "03-05 00:00", "03-07 00:00", "03-08 00:00"}));
}

TEST(CronLine, DayAndWeekdayBothRestrictedMeansEither) {
  EXPECT_EQ(Next("0 0 13 * fri", CivilMinute(2026, 3, 1), 5),
            (Minutes{"03-06 00:00", "03-13 00:00", "03-20 00:00", "03-27 00:00", "04-03 00:00"}));
  EXPECT_EQ(Next("0 0 13 4 fri", CivilMinute(2026, 4, 4), 3),
            (Minutes{"04-10 00:00", "04-13 00:00", "04-17 00:00"}));
  EXPECT_EQ(Next("0 0 * * mon", CivilMinute(2026, 3, 1), 2),
            (Minutes{"03-02 00:00", "03-09 00:00"}));
  EXPECT_EQ(Next("0 0 1-31 * mon", CivilMinute(2026, 3, 1), 2),
            (Minutes{"03-02 00:00", "03-09 00:00"}))
      << "a field that leaves nothing out restricts nothing";
  EXPECT_EQ(Next("0 0 31 2 mon", CivilMinute(2026, 1, 1), 1), (Minutes{"02-02 00:00"}));
}

TEST(CronLine, ShortNames) {
  const CivilMinute from(2026, 3, 4, 5, 6);
  EXPECT_EQ(Next("@hourly", from, 1), (Minutes{"03-04 06:00"}));
  EXPECT_EQ(Next("@daily", from, 1), (Minutes{"03-05 00:00"}));
  EXPECT_EQ(Next("@weekly", from, 1), (Minutes{"03-08 00:00"}));
  EXPECT_EQ(Next(" @monthly ", from, 1), (Minutes{"04-01 00:00"}));
  EXPECT_EQ(Next("@yearly", from, 1), (Minutes{"01-01 00:00"}));
}

TEST(CronLine, MonthEnds) {
  EXPECT_EQ(Next("59 23 31 * *", CivilMinute(2026, 1, 31, 23, 59), 4),
            (Minutes{"01-31 23:59", "03-31 23:59", "05-31 23:59", "07-31 23:59"}));
  EXPECT_EQ(Next("0 0 30 2,4 *", CivilMinute(2026, 1, 1), 1), (Minutes{"04-30 00:00"}));
  EXPECT_EQ(Line("0 0 1 1 *").FirstFrom(CivilMinute(2026, 1, 1, 0, 1)), CivilMinute(2027, 1, 1));
}

TEST(CronLine, LeapDays) {
  const CronLine line = Line("30 12 29 2 *");
  EXPECT_EQ(line.FirstFrom(CivilMinute(2026, 1, 1)), CivilMinute(2028, 2, 29, 12, 30));
  EXPECT_EQ(line.FirstFrom(CivilMinute(2028, 2, 29, 12, 31)), CivilMinute(2032, 2, 29, 12, 30));
  // 2100 has none: the longest way there is.
  EXPECT_EQ(line.FirstFrom(CivilMinute(2096, 2, 29, 12, 31)), CivilMinute(2104, 2, 29, 12, 30));
  EXPECT_EQ(line.FirstFrom(CivilMinute(2096, 3, 1)), CivilMinute(2104, 2, 29, 12, 30));
}

TEST(CronLine, EveryHourHoweverItIsWritten) {
  for (const char* hour : {"*", "0-23", "*/1", "0-11,12-23"}) {
    EXPECT_TRUE(Line(std::string("0 ") + hour + " * * *").every_hour()) << hour;
  }
  for (const char* hour : {"*/2", "0-22", "1-23", "5"}) {
    EXPECT_FALSE(Line(std::string("0 ") + hour + " * * *").every_hour()) << hour;
  }
}

TEST(CronLine, WhatIsWrongIsNamedWithWhatIsRight) {
  for (const auto& [text, what, why] :
       std::vector<std::tuple<std::string, std::string, std::string>>{
           {"60 * * * *", "minute \"60\"", "not within 0 to 59"},
           {"-1 * * * *", "minute \"-1\"", "is no number"},
           {"* 24 * * *", "hour \"24\"", "not within 0 to 23"},
           {"* x * * *", "hour \"x\"", "is no number"},
           {"* * 0 * *", "day \"0\"", "not within 1 to 31"},
           {"* * 32 * *", "day \"32\"", "not within 1 to 31"},
           {"* * * 13 *", "month \"13\"", "not within 1 to 12"},
           {"* * * january *", "month \"january\"", "no number and no name"},
           {"* * * * 8", "weekday \"8\"", "not within 0 to 7"},
           {"* * * * funday", "weekday \"funday\"", "no number and no name"},
           {"20-10 * * * *", "minute \"20-10\"", "runs backwards"},
           {"* * * * fri-mon", "weekday \"fri-mon\"", "runs backwards"},
           {"1,,2 * * * *", "minute \"1,,2\"", "comma too many"},
           {"1, * * * *", "minute \"1,\"", "comma too many"},
           {"*/0 * * * *", "minute \"*/0\"", "not within 1 to 59"},
           {"*/60 * * * *", "minute \"*/60\"", "not within 1 to 59"},
           {"*/ * * * *", "minute \"*/\"", "not within 1 to 59"},
           {"5/10 * * * *", "minute \"5/10\"", "step without a range"},
           {"1-2-3 * * * *", "minute \"1-2-3\"", "is no number"},
           {"99999999999 * * * *", "minute \"99999999999\"", "is no number"},
           {"1.5 * * * *", "minute \"1.5\"", "is no number"},
           {"* * L * *", "day \"L\"", "is no number"},
       }) {
    const absl::StatusOr<CronLine> line = CronLine::Parse(text);
    ASSERT_FALSE(line.ok()) << text;
    EXPECT_EQ(line.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(line.status().message()),
                AllOf(HasSubstr(what), HasSubstr(why), HasSubstr("; right is for example")))
        << text;
  }
}

TEST(CronLine, WrongNumbersOfFieldsAndUnknownShortNames) {
  for (const auto& [text, why] : std::vector<std::pair<std::string, std::string>>{
           {"", "0 fields"},
           {" \t ", "0 fields"},
           {"5", "1 field instead of five"},
           {"* * * *", "4 fields"},
           {"0 * * * * *", "6 fields"},
           {"@reboot", "there are @hourly, @daily"},
           {"@Daily", "there are @hourly, @daily"},
           {std::string("\x1b[2J * * *"), "\\x1b[2J"},
           {std::string(1001, '*'), "too long"},
       }) {
    const absl::StatusOr<CronLine> line = CronLine::Parse(text);
    ASSERT_FALSE(line.ok()) << text;
    EXPECT_THAT(std::string(line.status().message()), HasSubstr(why));
  }
}

TEST(CronLine, DaysThatNeverComeAreRefused) {
  for (const char* text : {"0 0 30 2 *", "0 0 30,31 feb *", "0 0 31 2,4,6,9,11 *"}) {
    const absl::StatusOr<CronLine> line = CronLine::Parse(text);
    ASSERT_FALSE(line.ok()) << text;
    EXPECT_THAT(std::string(line.status().message()),
                AllOf(HasSubstr("never comes"), HasSubstr("right is")));
  }
  for (const char* text : {"0 0 29 2 *", "0 0 31 2,3 *", "0 0 30 2 mon"}) {
    EXPECT_TRUE(CronLine::Parse(text).ok()) << text;
  }
}

TEST(CronLine, WhateverIsTakenHasANextMinute) {
  const std::vector<std::string> parts = {"*",   "1",   "2",  "7",  "30", "31", "*/2", "1-5",
                                          "feb", "mon", "29", "1,", "-3", "/2", ",",   "\x80"};
  int taken = 0;
  for (uint32_t seed = 1; seed <= 3; ++seed) {
    std::mt19937 random(seed);
    for (int i = 0; i < 500; ++i) {
      std::string text;
      for (int field = 0; field < 5; ++field) {
        text += parts.at(random() % 11);
        if (random() % 4 == 0) text += parts.at(random() % parts.size());
        text += ' ';
      }
      const absl::StatusOr<CronLine> line = CronLine::Parse(text);
      if (!line.ok()) continue;
      ++taken;
      EXPECT_TRUE(line->FirstFrom(CivilMinute(2096, 3, 1)).has_value())
          << "seed " << seed << ": " << text;
    }
  }
  EXPECT_GT(taken, 10);
}

}  // namespace
}  // namespace procctl::node
