#include "controller/core/clock_skew.h"

#include <gtest/gtest.h>

namespace procctl::controller {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::nanoseconds;
using std::chrono::seconds;

class ClockSkewTest : public ::testing::Test {
 protected:
  // One exchange: the controller's heartbeat takes `there`, the node keeps it for `kept`, its
  // answer takes `back`.
  void Exchange(nanoseconds ahead, nanoseconds there, nanoseconds kept, nanoseconds back) {
    const WallTime sent = now_;
    now_ += there + kept;
    const WallTime node_clock = now_ + ahead;
    now_ += back;
    skew_.Add(sent, kept, node_clock, now_);
  }
  void ExpectNear(nanoseconds ahead, nanoseconds error) {
    ASSERT_TRUE(skew_.skew().has_value());
    EXPECT_LE(std::chrono::abs(*skew_.skew() - ahead), error)
        << "measured " << skew_.skew()->count() << " ns, is " << ahead.count() << " ns";
  }

  WallTime now_{seconds(1'800'000'000)};
  ClockSkew skew_;
};

TEST_F(ClockSkewTest, NothingIsSaidBeforeTheFirstSample) { EXPECT_EQ(skew_.skew(), std::nullopt); }

TEST_F(ClockSkewTest, AnEvenWayIsTakenOutWhateverItTakes) {
  Exchange(seconds(7), milliseconds(300), seconds(9), milliseconds(300));
  ExpectNear(seconds(7), nanoseconds(0));
  ClockSkew behind;
  std::swap(skew_, behind);
  Exchange(-seconds(7), milliseconds(300), seconds(9), milliseconds(300));
  ExpectNear(-seconds(7), nanoseconds(0));
}

TEST_F(ClockSkewTest, TheErrorIsAtMostHalfTheRoundTrip) {
  Exchange(seconds(1), milliseconds(0), seconds(1), milliseconds(400));
  ExpectNear(seconds(1), milliseconds(200));
  ClockSkew other;
  std::swap(skew_, other);
  Exchange(seconds(1), milliseconds(400), seconds(1), milliseconds(0));
  ExpectNear(seconds(1), milliseconds(200));
}

TEST_F(ClockSkewTest, TheSmallestRoundTripOfTheLatestEightCounts) {
  Exchange(seconds(1), milliseconds(2), seconds(1), milliseconds(0));
  for (int i = 0; i < 7; ++i) Exchange(seconds(1), milliseconds(900), seconds(1), seconds(0));
  ExpectNear(seconds(1), milliseconds(1));
  Exchange(seconds(1), milliseconds(900), seconds(1), seconds(0));
  ExpectNear(seconds(1), milliseconds(450));
  EXPECT_GE(std::chrono::abs(*skew_.skew() - seconds(1)), milliseconds(400)) << "the ninth is gone";
}

TEST_F(ClockSkewTest, AClockThatWasSetCountsAtOnce) {
  Exchange(seconds(0), milliseconds(1), seconds(1), milliseconds(1));
  Exchange(seconds(90), milliseconds(200), seconds(1), milliseconds(200));
  ExpectNear(seconds(90), milliseconds(1));
}

TEST_F(ClockSkewTest, WhatCannotBeIsLeftOut) {
  skew_.Add(now_ + nanoseconds(1), nanoseconds(0), now_, now_);           // from the future
  skew_.Add(now_ - hours(2), nanoseconds(0), now_, now_);                 // never sent
  skew_.Add(now_ - seconds(1), seconds(2), now_, now_);                   // kept longer
  skew_.Add(now_ - seconds(1), -seconds(1), now_, now_);                  // than nothing
  skew_.Add(WallTime::min(), nanoseconds::max(), WallTime::min(), now_);  // rubbish
  skew_.Add(WallTime::max(), nanoseconds::min(), WallTime::max(), now_);
  skew_.Add(now_ - seconds(1), nanoseconds(0), WallTime::min(), now_);
  EXPECT_EQ(skew_.skew(), std::nullopt);
}

TEST_F(ClockSkewTest, ClocksThatAreAgesApartDoNotOverflow) {
  skew_.Add(now_ - seconds(1), nanoseconds(0), WallTime::max(), now_);
  ASSERT_TRUE(skew_.skew().has_value());
  EXPECT_GT(*skew_.skew(), hours(24 * 365 * 200));
  skew_.Add(now_ - seconds(1), nanoseconds(0), WallTime(), now_);
  EXPECT_LT(*skew_.skew(), -hours(24 * 365 * 50));
}

TEST(SkewAlarm, TellsOnceUntilTheClockIsRightAgain) {
  SkewAlarm alarm;
  EXPECT_FALSE(alarm.Judge(seconds(5)));
  EXPECT_TRUE(alarm.Judge(seconds(5) + nanoseconds(1)));
  EXPECT_FALSE(alarm.Judge(seconds(100)));
  EXPECT_FALSE(alarm.Judge(milliseconds(4500))) << "not right yet";
  EXPECT_FALSE(alarm.Judge(seconds(6)));
  EXPECT_FALSE(alarm.Judge(seconds(4)));
  EXPECT_TRUE(alarm.Judge(-seconds(6)));
}

}  // namespace
}  // namespace procctl::controller
