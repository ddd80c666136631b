// The deciders about a session's beginning: SnapshotPacer, CloneWatch, the pace of reconnects.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "controller/core/clone_watch.h"
#include "controller/core/reconnect_pace.h"
#include "controller/core/snapshot_pacer.h"

namespace procctl::controller {
namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;
using std::chrono::seconds;

class SnapshotPacerTest : public ::testing::Test {
 protected:
  nanoseconds Plan(int node, bool can_wait = true) {
    return pacer_.Plan("node-" + std::to_string(node), 1, can_wait, now_);
  }
  void Receive(int node) { pacer_.Received("node-" + std::to_string(node), 1, now_); }

  MonoTime now_{seconds(1000)};
  SnapshotPacer pacer_;
};

TEST_F(SnapshotPacerTest, AsManyAsComeAtATimeComeAtOnce) {
  for (int i = 0; i < SnapshotPacer::kAtATime; ++i) EXPECT_EQ(Plan(i), nanoseconds(0)) << i;
  EXPECT_GT(Plan(64), nanoseconds(0));
  Receive(0);
  Receive(1);
  EXPECT_EQ(Plan(65), nanoseconds(0)) << "there is a place again";
}

TEST_F(SnapshotPacerTest, LaterOnesWaitLongerAndNobodyForEver) {
  for (int i = 0; i < 64; ++i) Plan(i);
  nanoseconds before{0};
  for (int i = 64; i < 2000; ++i) {
    const nanoseconds delay = Plan(i);
    EXPECT_GE(delay, before);
    before = delay;
  }
  for (int i = 2000; i < 100'000; ++i) Plan(i);
  EXPECT_EQ(Plan(100'000), nanoseconds(SnapshotPacer::kMostDelay));
}

TEST_F(SnapshotPacerTest, WhoCannotWaitIsNotToldToAndTakesAPlace) {
  for (int i = 0; i < 64; ++i) EXPECT_EQ(Plan(i, /*can_wait=*/false), nanoseconds(0));
  EXPECT_EQ(Plan(64, /*can_wait=*/false), nanoseconds(0));
  EXPECT_GT(Plan(65), nanoseconds(0));
}

TEST_F(SnapshotPacerTest, TheDelayFollowsWhatSnapshotsTake) {
  for (int i = 0; i < 65; ++i) Plan(i);
  const nanoseconds at_first = Plan(64);
  now_ += seconds(4);
  for (int i = 0; i < 65; ++i) Receive(i);
  for (int i = 0; i < 64; ++i) Plan(i);
  EXPECT_GT(Plan(64), 4 * at_first);
}

TEST_F(SnapshotPacerTest, NoMoreThanThatManyOverlapWhenAllKeepToIt) {
  // Nodes send when they may, and each snapshot takes what was typical at first.
  const nanoseconds takes = milliseconds(200);
  std::multimap<nanoseconds, int> edges;
  for (int i = 0; i < 5000; ++i) {
    const nanoseconds from = Plan(i);
    edges.emplace(from, 1);
    edges.emplace(from + takes - nanoseconds(1), -1);
  }
  int under_way = 0;
  int most = 0;
  for (const auto& [when, step] : edges) most = std::max(most, under_way += step);
  EXPECT_LE(most, 2 * SnapshotPacer::kAtATime);
}

TEST_F(SnapshotPacerTest, WhoIsGoneOrSendsNothingGivesItsPlaceUp) {
  for (int i = 0; i < 64; ++i) Plan(i);
  pacer_.Gone("node-0", 7);
  EXPECT_EQ(pacer_.waiting(), 64U) << "of another session";
  pacer_.Gone("node-0", 1);
  EXPECT_EQ(Plan(64), nanoseconds(0));
  now_ += SnapshotPacer::kPatience + nanoseconds(1);
  EXPECT_EQ(Plan(65), nanoseconds(0));
  EXPECT_EQ(pacer_.waiting(), 1U);
}

TEST_F(SnapshotPacerTest, ANewSessionOfANodeTakesTheOldOnesPlace) {
  Plan(0);
  pacer_.Plan("node-0", 2, true, now_);
  EXPECT_EQ(pacer_.waiting(), 1U);
  Receive(0);
  EXPECT_EQ(pacer_.waiting(), 1U) << "the old session's";
  pacer_.Received("node-0", 2, now_);
  EXPECT_EQ(pacer_.waiting(), 0U);
}

class CloneWatchTest : public ::testing::Test {
 protected:
  std::optional<CloneWatch::Conflict> Hello(const std::string& instance, const std::string& where,
                                            bool connected = true) {
    return watch_.Judge("web-01", instance, where, connected, now_);
  }

  MonoTime now_{seconds(1000)};
  CloneWatch watch_;
};

TEST_F(CloneWatchTest, ReconnectsAndRestartsAreAsTheyShouldBe) {
  EXPECT_FALSE(Hello("a", "here").has_value());
  EXPECT_FALSE(Hello("a", "here").has_value());
  EXPECT_FALSE(Hello("b", "here").has_value());
  EXPECT_FALSE(Hello("c", "here").has_value());
  EXPECT_FALSE(Hello("c", "here").has_value());
  EXPECT_FALSE(watch_.Judge("web-02", "a", "there", true, now_).has_value()) << "another node";
}

TEST_F(CloneWatchTest, WhoComesBackAfterItWasReplacedIsRefusedWhileTheOtherIsConnected) {
  Hello("a", "host one");
  Hello("b", "host two");
  const auto conflict = Hello("a", "host one");
  ASSERT_TRUE(conflict.has_value());
  EXPECT_TRUE(conflict->refuse);
  EXPECT_TRUE(conflict->tell);
  EXPECT_EQ(conflict->other, "host two");
  EXPECT_FALSE(Hello("b", "host two").has_value()) << "the other one goes on";
}

TEST_F(CloneWatchTest, WithTheOtherGoneItMayComeAndTheConflictIsToldAllTheSame) {
  Hello("a", "host one");
  Hello("b", "host two");
  const auto conflict = Hello("a", "host one", /*connected=*/false);
  ASSERT_TRUE(conflict.has_value());
  EXPECT_FALSE(conflict->refuse);
  EXPECT_TRUE(conflict->tell);
  const auto back = Hello("b", "host two");
  ASSERT_TRUE(back.has_value());
  EXPECT_TRUE(back->refuse) << "now that one is the newcomer";
  EXPECT_EQ(back->other, "host one");
}

TEST_F(CloneWatchTest, ItIsToldOnceAMinute) {
  Hello("a", "host one");
  Hello("b", "host two");
  EXPECT_TRUE(Hello("a", "host one")->tell);
  now_ += CloneWatch::kTellEvery - nanoseconds(1);
  EXPECT_FALSE(Hello("a", "host one")->tell);
  now_ += nanoseconds(1);
  EXPECT_TRUE(Hello("a", "host one")->tell);
}

TEST_F(CloneWatchTest, ANodeWithoutAnInstanceIsNotJudged) {
  Hello("a", "host one");
  Hello("b", "host two");
  EXPECT_FALSE(Hello("", "host one").has_value());
  EXPECT_TRUE(Hello("a", "host one").has_value()) << "and changes nothing";
}

TEST_F(CloneWatchTest, ItRemembersTheLatestLivesOnly) {
  Hello("first", "here");
  for (size_t i = 0; i <= CloneWatch::kMostReplaced; ++i) Hello(std::to_string(i), "here");
  EXPECT_FALSE(Hello("first", "here").has_value());
  EXPECT_TRUE(Hello("7", "here").has_value());
  const std::string huge(1 << 20, 'x');
  EXPECT_FALSE(Hello(huge, "here").has_value());
  EXPECT_FALSE(Hello(huge, "here").has_value());
}

TEST(ReconnectPace, GrowsWithTheFleetBetweenASecondAndAMinute) {
  EXPECT_EQ(ReconnectWithin(0), seconds(1));
  EXPECT_EQ(ReconnectWithin(500), seconds(1));
  EXPECT_EQ(ReconnectWithin(501), milliseconds(1002));
  EXPECT_EQ(ReconnectWithin(10'000), seconds(20));
  EXPECT_EQ(ReconnectWithin(30'001), seconds(60));
}

TEST(ReconnectPace, ADrainSpreadsTheNodesEvenly) {
  EXPECT_EQ(DrainDelay(0, 1), nanoseconds(0));
  EXPECT_EQ(DrainDelay(0, 10'000), nanoseconds(0));
  EXPECT_EQ(DrainDelay(5000, 10'000), seconds(10));
  EXPECT_LT(DrainDelay(9999, 10'000), seconds(20));
}

}  // namespace
}  // namespace procctl::controller
