#include "node/core/scan_guard.h"

#include <gtest/gtest.h>

namespace procctl::node {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::nanoseconds;
using std::chrono::seconds;

constexpr Nanos kInterval = milliseconds(100);

class ScanGuardTest : public ::testing::Test {
 protected:
  ScanVerdict ScanAfter(Nanos elapsed, Nanos slept = Nanos(0)) {
    now_ += elapsed;
    suspended_ += slept;
    return guard_.Scan(now_, suspended_);
  }

  MonoTime now_{hours(1)};
  Nanos suspended_{0};
  ScanGuard guard_{kInterval, now_, suspended_};
};

TEST_F(ScanGuardTest, ScanOnTimeCreditsWhatPassedAndJudges) {
  const ScanVerdict scan = ScanAfter(kInterval);
  EXPECT_EQ(scan.credited, kInterval);
  EXPECT_TRUE(scan.may_judge);
  EXPECT_FALSE(scan.gap);
}

TEST_F(ScanGuardTest, LateScanCreditsAtMostTwoIntervals) {
  EXPECT_EQ(ScanAfter(2 * kInterval + nanoseconds(1)).credited, 2 * kInterval);
  EXPECT_EQ(ScanAfter(hours(24)).credited, 2 * kInterval);
}

TEST_F(ScanGuardTest, FiveIntervalsAreNoStallYet) {
  const ScanVerdict scan = ScanAfter(5 * kInterval);
  EXPECT_FALSE(scan.gap);
  EXPECT_TRUE(scan.may_judge);
}

TEST_F(ScanGuardTest, ANanosecondOverFiveIntervalsIsAStall) {
  const ScanVerdict scan = ScanAfter(5 * kInterval + nanoseconds(1));
  ASSERT_TRUE(scan.gap);
  EXPECT_FALSE(scan.gap->suspend);
  EXPECT_EQ(scan.gap->length, 5 * kInterval + nanoseconds(1));
  EXPECT_FALSE(scan.may_judge);
}

TEST_F(ScanGuardTest, AfterAStallNobodyIsJudgedForFiveCalmScans) {
  ScanAfter(seconds(30));
  for (int i = 0; i < ScanGuard::kCalmScans - 1; ++i)
    EXPECT_FALSE(ScanAfter(kInterval).may_judge) << i;
  const ScanVerdict scan = ScanAfter(kInterval);
  EXPECT_TRUE(scan.may_judge);
  EXPECT_TRUE(scan.resumed);
  EXPECT_FALSE(ScanAfter(kInterval).resumed);
}

TEST_F(ScanGuardTest, ALateScanStartsTheCalmCountAgain) {
  ScanAfter(seconds(30));
  for (int i = 0; i < ScanGuard::kCalmScans - 1; ++i) ScanAfter(kInterval);
  EXPECT_FALSE(ScanAfter(2 * kInterval + nanoseconds(1)).may_judge);
  EXPECT_FALSE(ScanAfter(kInterval).may_judge);
}

TEST_F(ScanGuardTest, SuspendIsSeenEvenThoughTheMonotonicClockStoodStill) {
  const ScanVerdict scan = ScanAfter(kInterval, hours(8));
  ASSERT_TRUE(scan.gap);
  EXPECT_TRUE(scan.gap->suspend);
  EXPECT_EQ(scan.gap->length, hours(8));
  EXPECT_FALSE(scan.may_judge);
}

TEST_F(ScanGuardTest, TwoClocksReadOneAfterTheOtherAreNoSuspend) {
  EXPECT_FALSE(ScanAfter(kInterval, ScanGuard::kSuspendNoise).gap);
  EXPECT_TRUE(ScanAfter(kInterval, ScanGuard::kSuspendNoise + nanoseconds(1)).gap);
}

TEST_F(ScanGuardTest, AtAnotherPaceOnTimeIsWhatThatPaceSays) {
  guard_.Pace(seconds(1), now_);
  const ScanVerdict slow = ScanAfter(seconds(1));
  EXPECT_EQ(slow.lag, Nanos(0));
  EXPECT_TRUE(slow.may_judge);
  EXPECT_FALSE(ScanAfter(seconds(5)).gap);
  EXPECT_TRUE(ScanAfter(seconds(5) + nanoseconds(1)).gap);
}

TEST_F(ScanGuardTest, WhatPassedBeforeAPaceIsHeldAgainstNobody) {
  guard_.Pace(seconds(1), now_);
  now_ += milliseconds(900);
  guard_.Pace(kInterval, now_);
  const ScanVerdict scan = ScanAfter(kInterval);
  EXPECT_FALSE(scan.gap);
  EXPECT_EQ(scan.credited, kInterval);
  EXPECT_EQ(scan.lag, Nanos(0));
}

TEST_F(ScanGuardTest, AnotherPaceDoesNotEndTheCalmCount) {
  ScanAfter(seconds(30));
  guard_.Pace(seconds(1), now_);
  guard_.Pace(kInterval, now_);
  EXPECT_FALSE(ScanAfter(kInterval).may_judge);
}

TEST_F(ScanGuardTest, AClockThatStepsBackCreditsNothing) {
  EXPECT_EQ(ScanAfter(-seconds(5)).credited, Nanos(0));
}

}  // namespace
}  // namespace procctl::node
