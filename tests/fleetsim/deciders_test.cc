// The small deciders: when nodes come back, how a fleet arrives, what latencies add up to, numbers.
#include <gtest/gtest.h>

#include "tests/fleetsim/arrivals.h"
#include "tests/fleetsim/latency.h"
#include "tests/fleetsim/number_set.h"
#include "tests/fleetsim/reconnect.h"

namespace procctl::fleetsim {
namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;
using std::chrono::seconds;

TEST(Reconnect, AfterASessionTheControllersTimeIsUsedInFull) {
  Reconnect reconnect;
  reconnect.Welcomed(seconds(60));
  EXPECT_EQ(reconnect.AfterSession(0), milliseconds(0));
  EXPECT_EQ(reconnect.AfterSession(0.5), seconds(30));
  EXPECT_GT(reconnect.AfterSession(0.999), seconds(59));
}

TEST(Reconnect, AFailedTryIsNoShortcut) {
  Reconnect reconnect;
  reconnect.Welcomed(seconds(60));
  EXPECT_EQ(reconnect.AfterFailure(0.5), seconds(30));
}

TEST(Reconnect, WithoutAWelcomeTheBoundDoublesToThirtySeconds) {
  Reconnect reconnect;
  EXPECT_LE(reconnect.AfterFailure(0.999), milliseconds(500));
  milliseconds last{0};
  for (int i = 0; i < 12; ++i) last = reconnect.AfterFailure(0.999);
  EXPECT_GT(last, seconds(29));
  EXPECT_LE(last, seconds(30));
  reconnect.Welcomed(milliseconds(0));
  EXPECT_LE(reconnect.AfterFailure(0.999), milliseconds(500));
}

TEST(Reconnect, HeartbeatsComeWellWithinTheInterval) {
  EXPECT_EQ(HeartbeatDelay(seconds(10), 0), seconds(7));
  EXPECT_LE(HeartbeatDelay(seconds(10), 0.999), seconds(9));
}

TEST(Arrivals, AStormEndsWhenAllAreThere) {
  Arrivals arrivals(3, seconds(0));
  EXPECT_FALSE(arrivals.Arrive(seconds(1)).has_value());
  EXPECT_FALSE(arrivals.Arrive(seconds(2)).has_value());
  const auto storm = arrivals.Arrive(seconds(5));
  ASSERT_TRUE(storm.has_value());
  EXPECT_EQ(storm->took, nanoseconds(seconds(5)));
  EXPECT_EQ(storm->arrivals, 3U);
  EXPECT_EQ(storm->most_in_a_second, 1U);
  EXPECT_FALSE(arrivals.Current(seconds(6)).has_value());
}

TEST(Arrivals, TheNextStormBeginsWithTheFirstThatLeaves) {
  Arrivals arrivals(2, seconds(0));
  (void)arrivals.Arrive(seconds(1));
  (void)arrivals.Arrive(seconds(1));
  arrivals.Leave(seconds(10));
  arrivals.Leave(seconds(11));
  ASSERT_TRUE(arrivals.Current(seconds(12)).has_value());
  (void)arrivals.Arrive(seconds(20));
  const auto storm = arrivals.Arrive(seconds(20) + milliseconds(999));
  ASSERT_TRUE(storm.has_value());
  EXPECT_EQ(storm->took, nanoseconds(seconds(10) + milliseconds(999)));
  EXPECT_EQ(storm->fewest, 0U);
  EXPECT_EQ(storm->most_in_a_second, 2U);
}

TEST(Arrivals, TheWindowIsASecondWithoutItsEnd) {
  EXPECT_EQ(MostInASecond({}), 0U);
  EXPECT_EQ(MostInASecond({seconds(0), seconds(1)}), 1U);
  EXPECT_EQ(MostInASecond({seconds(0), seconds(1) - nanoseconds(1)}), 2U);
}

TEST(Latencies, SharesAreReadWithinFivePercent) {
  Latencies latencies;
  EXPECT_EQ(latencies.At(0.5), nanoseconds(0));
  for (int i = 1; i <= 1000; ++i) latencies.Add(milliseconds(i));
  EXPECT_EQ(latencies.count(), 1000);
  EXPECT_NEAR(static_cast<double>(latencies.At(0.5).count()), 500e6, 26e6);
  EXPECT_NEAR(static_cast<double>(latencies.At(0.99).count()), 990e6, 50e6);
  latencies.Add(std::chrono::hours(10'000));
  EXPECT_GT(latencies.At(1), seconds(60));
}

TEST(NumberSet, RangesThatTouchAreOne) {
  NumberSet numbers;
  EXPECT_TRUE(numbers.Add(1, 3));
  EXPECT_TRUE(numbers.Add(7, 9));
  EXPECT_TRUE(numbers.Add(4, 6));
  EXPECT_EQ(numbers.Ranges(), (std::vector<NumberSet::Range>{{1, 9}}));
  EXPECT_TRUE(numbers.Missing(1, 9).empty());
}

TEST(NumberSet, SaysWhatWasThereAndWhatIsMissing) {
  NumberSet numbers;
  EXPECT_TRUE(numbers.Add(3, 5));
  EXPECT_FALSE(numbers.Add(5, 8));
  EXPECT_FALSE(numbers.Add(1, 3));
  EXPECT_TRUE(numbers.Add(20, 20));
  EXPECT_EQ(numbers.Missing(0, 25), (std::vector<NumberSet::Range>{{0, 0}, {9, 19}, {21, 25}}));
  EXPECT_TRUE(numbers.Contains(8));
  EXPECT_FALSE(numbers.Contains(9));
  EXPECT_EQ(numbers.Greatest(), 20);
}

}  // namespace
}  // namespace procctl::fleetsim
