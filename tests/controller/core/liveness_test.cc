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
  Liveness liveness_{LivenessLimits{seconds(30), seconds(45)}, now_};
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
}

}  // namespace
}  // namespace procctl::controller
