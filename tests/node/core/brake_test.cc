#include "node/core/brake.h"

#include <gtest/gtest.h>

namespace procctl::node {
namespace {

using namespace std::chrono_literals;

constexpr MonoTime kStart{1h};

TEST(TokenBucket, GrantsItsBurstAndThenItsRate) {
  TokenBucket bucket(10, 30);
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(bucket.Take(kStart)) << i;
  EXPECT_FALSE(bucket.Take(kStart));
  EXPECT_FALSE(bucket.Take(kStart + 1999ms));
  EXPECT_TRUE(bucket.Take(kStart + 2s));
  EXPECT_FALSE(bucket.Take(kStart + 2s));
}

TEST(TokenBucket, NeverHoldsMoreThanItsBurst) {
  TokenBucket bucket(2, 30);
  EXPECT_TRUE(bucket.Take(kStart));
  for (int i = 0; i < 2; ++i) EXPECT_TRUE(bucket.Take(kStart + 10h));
  EXPECT_FALSE(bucket.Take(kStart + 10h));
  bucket.Return(kStart + 10h);
  EXPECT_TRUE(bucket.Take(kStart + 10h));
}

TEST(TokenBucket, ClocksThatGoBackwardsGrantNothing) {
  TokenBucket bucket(1, 30);
  EXPECT_TRUE(bucket.Take(kStart + 1h));
  EXPECT_FALSE(bucket.Take(kStart));
}

SilenceCensus Together(int64_t silent, int64_t slots) {
  return {.slots = slots,
          .processes = slots,
          .silent = silent,
          .silent_together = silent,
          .processes_together = silent};
}

TEST(Brake, TakesThreeAndHalfForACommonCause) {
  for (const auto& [silent, slots, common] :
       {std::tuple(2, 2, false), {3, 6, true}, {3, 7, false}, {4, 7, true}, {50, 100, true}}) {
    Brake brake({});
    const Brake::Answer answer = brake.Observe(Together(silent, slots), kStart);
    EXPECT_EQ(brake.common_cause(), common) << silent << " of " << slots;
    EXPECT_EQ(!answer.alarm.empty(), common);
  }
}

TEST(Brake, OneAlarmThenOneKillEachMinuteUntilTheSilenceEnds) {
  Brake brake({});
  EXPECT_NE(brake.Observe(Together(60, 100), kStart).alarm, "");
  EXPECT_EQ(brake.Observe(Together(60, 100), kStart + 1s).alarm, "");
  EXPECT_EQ(brake.Ask(kStart + 60s - 1ns).held_by, v1::HELD_BY_COMMON_CAUSE);
  EXPECT_FALSE(brake.WouldGrant(kStart + 60s - 1ns));
  EXPECT_TRUE(brake.Ask(kStart + 60s).granted);
  EXPECT_EQ(brake.Ask(kStart + 60s).held_by, v1::HELD_BY_COMMON_CAUSE);
  EXPECT_TRUE(brake.Ask(kStart + 120s).granted);
  EXPECT_EQ(brake.Observe(Together(60, 100), kStart + 121s).relief, "");
  EXPECT_FALSE(brake.Ask(kStart + 121s).granted);
  EXPECT_NE(brake.Observe(Together(5, 100), kStart + 122s).relief, "")
      << "who hangs by itself does not wait for the next turn";
  EXPECT_TRUE(brake.Ask(kStart + 122s).granted);
  EXPECT_TRUE(brake.Ask(kStart + 122s).granted);
}

TEST(Brake, ThePauseIsKeptHoweverSoonTheyRecover) {
  Brake brake({});
  (void)brake.Observe(Together(60, 100), kStart);
  EXPECT_EQ(brake.Observe(Together(0, 100), kStart + 10s).relief, "");
  EXPECT_FALSE(brake.Ask(kStart + 59s).granted);
}

TEST(Brake, ItsRecordBringsItBack) {
  Brake brake({});
  for (int i = 0; i < 9; ++i) EXPECT_TRUE(brake.Ask(kStart).granted);
  (void)brake.Observe(Together(60, 100), kStart);
  Brake next({});
  next.Restore(brake.Record(kStart));
  EXPECT_EQ(next.pause_left(kStart), 60s);
  EXPECT_NEAR(next.tokens(kStart), 1, 1e-9);
}

TEST(Brake, OffMeansOffAlsoForWhatAnEarlierGuardianSaw) {
  Brake brake({});
  (void)brake.Observe(Together(60, 100), kStart);
  BrakePolicy off;
  off.common_cause = false;
  Brake next(off);
  next.Restore(brake.Record(kStart));
  EXPECT_TRUE(next.Ask(kStart).granted);
  EXPECT_EQ(next.Observe(Together(60, 100), kStart).alarm, "");
}

}  // namespace
}  // namespace procctl::node
