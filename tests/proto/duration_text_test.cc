#include "proto/support/duration_text.h"

#include <gtest/gtest.h>

namespace procctl {
namespace {

using std::chrono::nanoseconds;
using namespace std::chrono_literals;

TEST(ParseDuration, ReadsWhatPeopleWrite) {
  const std::pair<const char*, nanoseconds> cases[] = {
      {"250ms", 250ms}, {"5s", 5s},  {"1.5s", 1500ms},   {"2m", 2min},
      {"1h", 1h},       {"3d", 72h}, {"1h30m", 90min},   {"10us", 10us},
      {"7ns", 7ns},     {"0s", 0s},  {"1m0.5s", 60500ms}};
  for (const auto& [text, expected] : cases) {
    const auto parsed = ParseDuration(text);
    ASSERT_TRUE(parsed.ok()) << text << ": " << parsed.status();
    EXPECT_EQ(*parsed, expected) << text;
  }
}

TEST(ParseDuration, RefusesWhatWouldBeAGuess) {
  for (const char* text : {"", "5", "s", "-5s", "+5s", " 5s", "5s ", "5 s", "5x", "1e3s", "5s3",
                           "inf", "nans", "0x5s", "5S"}) {
    EXPECT_FALSE(ParseDuration(text).ok()) << text;
  }
}

TEST(ParseDuration, RefusesMoreThanAHundredYearsWithoutOverflow) {
  EXPECT_TRUE(ParseDuration("36525d").ok());
  EXPECT_FALSE(ParseDuration("36526d").ok());
  EXPECT_FALSE(ParseDuration("99999999999999999999999999d").ok());
  EXPECT_FALSE(ParseDuration(std::string(400, '9') + "s").ok());
}

TEST(FormatDuration, IsShort) {
  const std::pair<nanoseconds, const char*> cases[] = {
      {0ns, "0s"},  {400us, "400us"}, {38ms, "38ms"},  {400ms, "0.4s"},   {7200ms, "7.2s"},
      {41s, "41s"}, {310s, "5m10s"},  {74h, "3d2h"},   {2500ms, "2.5s"},  {5s, "5s"},
      {60s, "1m"},  {3600s, "1h"},    {3660s, "1h1m"}, {-400ms, "-0.4s"}, {86400s, "1d"}};
  for (const auto& [duration, expected] : cases) EXPECT_EQ(FormatDuration(duration), expected);
}

// Rounding up must change the unit, not print 1000us, 100ms, 10.0s or 60s.
TEST(FormatDuration, RoundsIntoTheNextUnit) {
  EXPECT_EQ(FormatDuration(999'600ns), "1ms");
  EXPECT_EQ(FormatDuration(99'600us), "0.1s");
  EXPECT_EQ(FormatDuration(9'960ms), "10s");
  EXPECT_EQ(FormatDuration(59'600ms), "1m");
}

TEST(FormatDuration, TheGreatestAndTheLeastOfAllDoNotOverflow) {
  EXPECT_EQ(FormatDuration(nanoseconds::max()), "106751d23h");
  EXPECT_EQ(FormatDuration(nanoseconds::min()), "-106751d23h");
  EXPECT_EQ(FormatDuration(nanoseconds::max() - 500ms), "106751d23h");
}

}  // namespace
}  // namespace procctl
