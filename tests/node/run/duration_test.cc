#include "node/run/duration.h"

#include <gtest/gtest.h>

namespace procctl::run {
namespace {

using std::chrono::milliseconds;

TEST(Duration, ReadsEachUnitFractionsAndSums) {
  EXPECT_EQ(ParseDuration("500ms"), milliseconds(500));
  EXPECT_EQ(ParseDuration("5s"), milliseconds(5000));
  EXPECT_EQ(ParseDuration("1.5s"), milliseconds(1500));
  EXPECT_EQ(ParseDuration("2m"), milliseconds(120'000));
  EXPECT_EQ(ParseDuration("1h30m"), milliseconds(5'400'000));
  EXPECT_EQ(ParseDuration("1d"), milliseconds(86'400'000));
  EXPECT_EQ(ParseDuration("0s"), milliseconds(0));
}

TEST(Duration, RefusesWhatWouldBeAGuess) {
  for (const char* text : {"", "5", "s", "-5s", "+5s", "5 s", " 5s", "5s ", "5S", "inf", "nans",
                           "0x5s", "1e3s", "5us", "5ss", ".5s", "1..5s"}) {
    EXPECT_EQ(ParseDuration(text), std::nullopt) << "'" << text << "'";
  }
}

TEST(Duration, EndsWhereTheHeartbeatPageEnds) {
  EXPECT_EQ(ParseDuration("4294967295ms"), milliseconds(4294967295));
  EXPECT_EQ(ParseDuration("4294967296ms"), std::nullopt);
  EXPECT_EQ(ParseDuration("4294967s296ms"), std::nullopt);
  EXPECT_EQ(ParseDuration("99999999999999999999999999d"), std::nullopt);
}

TEST(Duration, IsWrittenInTheLargestWholeUnit) {
  EXPECT_EQ(FormatDuration(milliseconds(0)), "0ms");
  EXPECT_EQ(FormatDuration(milliseconds(1500)), "1500ms");
  EXPECT_EQ(FormatDuration(milliseconds(90'000)), "90s");
  EXPECT_EQ(FormatDuration(milliseconds(120'000)), "2m");
  EXPECT_EQ(FormatDuration(milliseconds(7200'000)), "2h");
}

}  // namespace
}  // namespace procctl::run
