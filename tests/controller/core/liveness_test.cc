#include "controller/core/liveness.h"

#include <gtest/gtest.h>

namespace procctl::controller {
namespace {

using std::chrono::nanoseconds;
using std::chrono::seconds;

class LivenessTest : public ::testing::Test {
 protected:
  void Advance(nanoseconds by) {
    // As the shell does: in ticks.
    while (by > nanoseconds(0)) {
      const nanoseconds step = std::min<nanoseconds>(by, std::chrono::milliseconds(250));
      now_ += step;
      by -= step;
      liveness_.Tick(now_);
    }
  }

  MonoTime now_{seconds(1000)};
  static constexpr LivenessLimits kLimits{seconds(30), seconds(45), seconds(0), seconds(1000)};
  Liveness liveness_{kLimits, now_};
};

TEST_F(LivenessTest, SilenceExactlyAtALimitDoesNotPassIt) {
  const Observed heard = liveness_.observed();
  Advance(seconds(30));
  EXPECT_EQ(liveness_.Judge(heard), NodeState::kConnected);
  Advance(nanoseconds(1));
  EXPECT_EQ(liveness_.Judge(heard), NodeState::kSuspect);
  Advance(seconds(15) - nanoseconds(1));
  EXPECT_EQ(liveness_.Judge(heard), NodeState::kSuspect);
  Advance(nanoseconds(1));
  EXPECT_EQ(liveness_.Judge(heard), NodeState::kLost);
}

TEST_F(LivenessTest, NobodyIsLostForOneLostTimeAfterTheStart) {
  EXPECT_EQ(liveness_.Judge(std::nullopt), NodeState::kSuspect);
  Advance(seconds(45));
  EXPECT_EQ(liveness_.Judge(std::nullopt), NodeState::kSuspect);
  Advance(nanoseconds(1));
  EXPECT_EQ(liveness_.Judge(std::nullopt), NodeState::kLost);
}

TEST_F(LivenessTest, WithinTheStartGraceNobodyIsLost) {
  liveness_ = Liveness(LivenessLimits{seconds(30), seconds(45), seconds(180), seconds(0)}, now_);
  const Observed heard = liveness_.observed();
  Advance(seconds(180));
  EXPECT_EQ(liveness_.Judge(std::nullopt), NodeState::kSuspect);
  EXPECT_EQ(liveness_.Judge(heard), NodeState::kSuspect);
  EXPECT_EQ(liveness_.Judge(heard, /*goodbye=*/true), NodeState::kDraining);
  Advance(nanoseconds(1));
  EXPECT_EQ(liveness_.Judge(std::nullopt), NodeState::kLost);
  EXPECT_EQ(liveness_.Judge(heard), NodeState::kLost);
  EXPECT_EQ(liveness_.Judge(heard, /*goodbye=*/true), NodeState::kLost);
}

TEST_F(LivenessTest, ANodeThatSaidGoodbyeIsNoSuspectAndLostInItsTime) {
  const Observed heard = liveness_.observed();
  EXPECT_EQ(liveness_.Judge(heard, /*goodbye=*/true), NodeState::kDraining);
  Advance(seconds(45));
  EXPECT_EQ(liveness_.Judge(heard, /*goodbye=*/true), NodeState::kDraining);
  Advance(nanoseconds(1));
  EXPECT_EQ(liveness_.Judge(heard, /*goodbye=*/true), NodeState::kLost);
}

TEST_F(LivenessTest, WhoWasLostForTheForgetTimeIsForgotten) {
  const Observed heard = liveness_.observed();
  Advance(seconds(1045));
  EXPECT_EQ(liveness_.Judge(heard), NodeState::kLost);
  Advance(nanoseconds(1));
  EXPECT_EQ(liveness_.Judge(heard), NodeState::kForgotten);
  liveness_ = Liveness(LivenessLimits{seconds(30), seconds(45), seconds(0), seconds(0)}, now_);
  Advance(seconds(100'000));
  EXPECT_EQ(liveness_.Judge(Observed(0)), NodeState::kLost) << "0 is never";
}

TEST_F(LivenessTest, AHeartbeatIsMissedAfterHalfTheSuspectTime) {
  const Observed heard = liveness_.observed();
  Advance(seconds(15));
  EXPECT_FALSE(liveness_.MissedOne(heard));
  Advance(nanoseconds(1));
  EXPECT_TRUE(liveness_.MissedOne(heard));
}

TEST_F(LivenessTest, WhatADeafControllerDidNotHearIsNobodysSilence) {
  const Observed heard = liveness_.observed();
  for (int i = 0; i < 1000; ++i) liveness_.Tick(now_ += seconds(1), /*deaf=*/true);
  EXPECT_EQ(liveness_.observed(), heard);
  liveness_.Tick(now_ += seconds(1));
  EXPECT_EQ(liveness_.observed(), heard + seconds(1));
}

TEST_F(LivenessTest, AControllerThatWasStoppedFindsNobodyLost) {
  const Observed heard = liveness_.observed();
  now_ += seconds(3600);
  liveness_.Tick(now_);
  EXPECT_EQ(liveness_.observed(), Liveness::kMostPerTick);
  EXPECT_EQ(liveness_.Judge(heard), NodeState::kConnected);
}

TEST_F(LivenessTest, ATimeThatGoesBackAddsNothing) {
  liveness_.Tick(now_ - seconds(5));
  EXPECT_EQ(liveness_.observed(), Observed(0));
}

TEST(EventOfChange, OnlyNewsIsAnEvent) {
  EXPECT_EQ(EventOfChange(std::nullopt, NodeState::kConnected), v1::EVENT_KIND_NODE_CONNECTED);
  EXPECT_EQ(EventOfChange(NodeState::kLost, NodeState::kConnected), v1::EVENT_KIND_NODE_CONNECTED);
  EXPECT_EQ(EventOfChange(NodeState::kSuspect, NodeState::kConnected), std::nullopt);
  EXPECT_EQ(EventOfChange(NodeState::kConnected, NodeState::kConnected), std::nullopt);
  EXPECT_EQ(EventOfChange(NodeState::kConnected, NodeState::kSuspect), v1::EVENT_KIND_NODE_SUSPECT);
  EXPECT_EQ(EventOfChange(NodeState::kSuspect, NodeState::kLost), v1::EVENT_KIND_NODE_LOST);
  EXPECT_EQ(EventOfChange(NodeState::kConnected, NodeState::kDraining),
            v1::EVENT_KIND_NODE_DRAINING);
  EXPECT_EQ(EventOfChange(NodeState::kDraining, NodeState::kConnected),
            v1::EVENT_KIND_NODE_CONNECTED);
  EXPECT_EQ(EventOfChange(NodeState::kLost, NodeState::kForgotten), v1::EVENT_KIND_NODE_FORGOTTEN);
}

}  // namespace
}  // namespace procctl::controller
