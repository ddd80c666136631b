#include "controller/core/mass_silence.h"

#include <gtest/gtest.h>

namespace procctl::controller {
namespace {

using std::chrono::seconds;

// A fleet as MassSilence is asked about it: so many nodes, all of them CONNECTED at first.
class MassSilenceTest : public ::testing::Test {
 protected:
  std::string Name(int i) { return "node-" + std::to_string(i); }
  std::vector<StateChange> Change(int first, int end, NodeState from, NodeState to) {
    std::vector<StateChange> changes;
    for (int i = first; i < end; ++i) changes.push_back({Name(i), from, to});
    return changes;
  }
  std::vector<StateChange> Fall(int first, int end) {
    return Change(first, end, NodeState::kConnected, NodeState::kSuspect);
  }
  MassSilence::Outcome Look(int connected, int missed_one, std::vector<StateChange> changes = {}) {
    now_ += std::chrono::milliseconds(250);
    return silence_.Judge(now_, connected, missed_one, std::move(changes));
  }

  Observed now_{seconds(1000)};
  MassSilence silence_;
};

TEST_F(MassSilenceTest, WithTheFirstSuspectOfACutAllOthersAreCounted) {
  const auto outcome = Look(99, 99, Fall(0, 1));
  ASSERT_TRUE(outcome.begun.has_value());
  EXPECT_EQ(outcome.begun->silent, 100);
  EXPECT_EQ(outcome.begun->of, 100);
  EXPECT_TRUE(outcome.tell.empty()) << "not even the first";
  const auto rest = Look(0, 0, Fall(1, 100));
  EXPECT_FALSE(rest.begun.has_value()) << "once";
  EXPECT_TRUE(rest.tell.empty());
  const auto lost = Look(0, 0, Change(0, 100, NodeState::kSuspect, NodeState::kLost));
  EXPECT_TRUE(lost.tell.empty());
}

TEST_F(MassSilenceTest, HalfOfTheFleetIsNotMoreThanHalf) {
  const auto half = Look(10, 0, Fall(0, 10));
  EXPECT_FALSE(half.begun.has_value());
  EXPECT_EQ(half.tell.size(), 10U);
  const auto more = Look(9, 0, Fall(10, 11));
  EXPECT_TRUE(more.begun.has_value());
  EXPECT_TRUE(more.tell.empty());
}

TEST_F(MassSilenceTest, AHandfulIsToldOfOneByOne) {
  const auto four = Look(0, 0, Fall(0, 4));
  EXPECT_FALSE(four.begun.has_value());
  EXPECT_EQ(four.tell.size(), 4U);
  const auto five = Look(0, 0, Fall(4, 5));
  EXPECT_TRUE(five.begun.has_value());
}

TEST_F(MassSilenceTest, WhoFellLongAgoDoesNotCount) {
  EXPECT_EQ(Look(6, 0, Fall(0, 5)).tell.size(), 5U);
  now_ += MassSilence::kWindow;
  const auto later = Look(5, 0, Fall(5, 6));
  EXPECT_FALSE(later.begun.has_value());
  EXPECT_EQ(later.tell.size(), 1U);
}

TEST_F(MassSilenceTest, NodesThatMissedAHeartbeatAloneAreNoAlarm) {
  EXPECT_FALSE(Look(100, 100).begun.has_value());
}

TEST_F(MassSilenceTest, AFleetThatNeverCameIsOneAlarmToo) {
  const auto outcome = Look(0, 0, Change(0, 50, NodeState::kSuspect, NodeState::kLost));
  EXPECT_TRUE(outcome.begun.has_value());
  EXPECT_TRUE(outcome.tell.empty());
}

TEST_F(MassSilenceTest, WhoComesBackFromAnUntoldSilenceIsNoNews) {
  Look(0, 0, Fall(0, 50));
  Look(0, 0, Change(0, 50, NodeState::kSuspect, NodeState::kLost));
  EXPECT_FALSE(silence_.ComesBack(Name(0)));
  EXPECT_TRUE(silence_.ComesBack(Name(0))) << "once";
  EXPECT_TRUE(silence_.ComesBack("another"));
  const auto outcome = Look(2, 0, Change(1, 2, NodeState::kLost, NodeState::kConnected));
  EXPECT_TRUE(outcome.tell.empty());
}

TEST_F(MassSilenceTest, ItIsOverAtOnceWhenAllAreBack) {
  Look(0, 0, Fall(0, 50));
  now_ += seconds(60);
  for (int i = 0; i < 50; ++i) silence_.ComesBack(Name(i));
  const auto outcome = Look(50, 0);
  ASSERT_TRUE(outcome.over.has_value());
  EXPECT_EQ(outcome.over->back, 50);
  EXPECT_EQ(outcome.over->still_silent, 0);
  EXPECT_GE(outcome.over->lasted, seconds(60));
  EXPECT_FALSE(silence_.lasts());
  EXPECT_EQ(Look(49, 0, Fall(0, 1)).tell.size(), 1U) << "as ever";
}

TEST_F(MassSilenceTest, WhoStaysAwayIsToldOfWhenTheRestIsBack) {
  Look(0, 0, Fall(0, 50));
  for (int i = 0; i < 47; ++i) silence_.ComesBack(Name(i));
  EXPECT_FALSE(Look(47, 0).over.has_value()) << "the others may still be on their way";
  now_ += MassSilence::kSettle - std::chrono::milliseconds(250);
  EXPECT_FALSE(Look(47, 0, Change(47, 48, NodeState::kSuspect, NodeState::kLost)).over.has_value());
  const auto outcome = Look(47, 0);
  ASSERT_TRUE(outcome.over.has_value());
  EXPECT_EQ(outcome.over->back, 47);
  EXPECT_EQ(outcome.over->still_silent, 3);
  ASSERT_EQ(outcome.tell.size(), 3U);
  EXPECT_EQ(outcome.tell[0].node, Name(47));
  EXPECT_EQ(outcome.tell[0].to, NodeState::kLost);
  EXPECT_EQ(outcome.tell[1].to, NodeState::kSuspect);
}

TEST_F(MassSilenceTest, ItLastsWhileMoreThanHalfAreSilent) {
  Look(0, 0, Fall(0, 50));
  for (int i = 0; i < 24; ++i) silence_.ComesBack(Name(i));
  now_ += seconds(3600);
  EXPECT_FALSE(Look(24, 0).over.has_value());
  EXPECT_TRUE(silence_.lasts());
}

TEST_F(MassSilenceTest, WhoFallsLongAfterItBeganIsAStoryOfItsOwn) {
  Look(20, 0, Fall(0, 50));
  now_ += MassSilence::kJoin;
  const auto outcome = Look(19, 0, Fall(50, 51));
  ASSERT_EQ(outcome.tell.size(), 1U);
  EXPECT_EQ(outcome.tell[0].node, Name(50));
  EXPECT_TRUE(silence_.ComesBack(Name(50)));
}

TEST_F(MassSilenceTest, AGoodbyeAndAForgottenNodeAreAlwaysNews) {
  Look(0, 0, Fall(0, 50));
  auto changes = Change(0, 1, NodeState::kSuspect, NodeState::kDraining);
  changes.push_back({Name(1), NodeState::kLost, NodeState::kForgotten});
  EXPECT_EQ(Look(0, 0, changes).tell.size(), 2U);
}

}  // namespace
}  // namespace procctl::controller
