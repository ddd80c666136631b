#include "node/core/ladder.h"

#include <gtest/gtest.h>

namespace procctl::node {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;

class LadderTest : public ::testing::Test {
 protected:
  // Time that passed on the clock and under the guardian's eyes.
  LadderStep Advance(Nanos time) {
    now_ += time;
    ladder_.Observe(time);
    return ladder_.Due(now_);
  }
  void SendTerm() { ladder_.TermSent(now_); }
  void SendKill() { ladder_.KillSent(now_); }

  MonoTime now_{hours(1)};
  Ladder ladder_{seconds(5)};
};

TEST_F(LadderTest, BeginsWithTermAndAsksForItUntilItIsSent) {
  EXPECT_EQ(ladder_.Due(now_), LadderStep::kSendTerm);
  EXPECT_EQ(Advance(hours(1)), LadderStep::kSendTerm);
  SendTerm();
  EXPECT_EQ(ladder_.Due(now_), LadderStep::kNone);
}

TEST_F(LadderTest, KillIsDueWhenTheGraceHasPassedAndNotBefore) {
  SendTerm();
  EXPECT_EQ(Advance(seconds(5) - Nanos(1)), LadderStep::kNone);
  EXPECT_EQ(Advance(Nanos(1)), LadderStep::kSendKill);
}

TEST_F(LadderTest, TimeTheGuardianDidNotSeeCutsNobodysGraceShort) {
  SendTerm();
  now_ += hours(1);  // the guardian was stopped
  ladder_.Observe(milliseconds(200));
  EXPECT_EQ(ladder_.Due(now_), LadderStep::kNone);
}

TEST_F(LadderTest, CreditedTimeAloneCutsNobodysGraceShortEither) {
  SendTerm();
  ladder_.Observe(seconds(6));  // credit from before the signal
  EXPECT_EQ(ladder_.Due(now_ + seconds(4)), LadderStep::kNone);
  EXPECT_EQ(ladder_.Due(now_ + seconds(5)), LadderStep::kSendKill);
}

TEST_F(LadderTest, UnkillableTenSecondsAfterKillThenTriedOnceAMinute) {
  SendTerm();
  Advance(seconds(5));
  SendKill();
  EXPECT_EQ(Advance(seconds(10) - Nanos(1)), LadderStep::kNone);
  EXPECT_EQ(Advance(Nanos(1)), LadderStep::kDeclareUnkillable);
  ladder_.DeclaredUnkillable(now_);
  EXPECT_EQ(Advance(seconds(60) - Nanos(1)), LadderStep::kNone);
  EXPECT_EQ(Advance(Nanos(1)), LadderStep::kSendKill);
  SendKill();
  EXPECT_EQ(ladder_.stage(), Ladder::Stage::kUnkillable);
  EXPECT_EQ(Advance(seconds(59)), LadderStep::kNone);
  EXPECT_EQ(Advance(seconds(1)), LadderStep::kSendKill);
}

TEST_F(LadderTest, TheVerdictSaysHowFarTheLadderWas) {
  EXPECT_EQ(ladder_.EndVerdict(), v1::VERDICT_GONE_ALREADY);
  SendTerm();
  EXPECT_EQ(ladder_.EndVerdict(), v1::VERDICT_EXITED_ON_TERM);
  SendKill();
  EXPECT_EQ(ladder_.EndVerdict(), v1::VERDICT_KILLED);
  ladder_.DeclaredUnkillable(now_);
  EXPECT_EQ(ladder_.EndVerdict(), v1::VERDICT_KILLED);
}

TEST_F(LadderTest, GraceOfZeroKillsAtTheNextLook) {
  Ladder ladder(Nanos(0));
  ladder.TermSent(now_);
  EXPECT_EQ(ladder.Due(now_), LadderStep::kSendKill);
}

}  // namespace
}  // namespace procctl::node
