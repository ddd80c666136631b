// States of nodes beyond silence in FleetView: DRAINING, FORGOTTEN; how nodes fare.
#include <gtest/gtest.h>

#include "controller/core/fleet_view.h"
#include "proto/support/filter_schemas.h"

namespace procctl::controller {
namespace {

using std::chrono::seconds;
using Forgot = FleetView::Forgot;

class NodeStatesTest : public ::testing::Test {
 protected:
  std::optional<NodeState> Begin(const std::string& node, std::int64_t epoch) {
    const auto before = view_.BeginSession(node, epoch, {}, now_, liveness_.observed(), WallTime());
    v1::SnapshotChunk piece;
    piece.set_last(true);
    v1::Slot* slot = piece.add_slots();
    slot->set_label("encoder");
    slot->set_state(v1::SLOT_STATE_ALIVE);
    slot->mutable_incarnation()->set_generation(1);
    view_.ApplySnapshot(node, epoch, piece, now_);
    return before;
  }
  std::vector<StateChange> Silence(seconds by) {
    for (; by > seconds(0); by -= seconds(1)) liveness_.Tick(now_ += seconds(1));
    return view_.JudgeNodes(liveness_);
  }
  NodeState State(const std::string& node) { return view_.FindNode(node)->state; }
  std::vector<std::string> List(std::string_view filter) {
    std::vector<std::string> all;
    view_.VisitNodes(*Filter::Parse(filter, NodeFilterSchema()), "", [&](const NodeRow& node) {
      all.push_back(node.id);
      return true;
    });
    return all;
  }

  MonoTime now_{seconds(1000)};
  Liveness liveness_{{seconds(25), seconds(45), seconds(0), seconds(600)}, now_};
  FleetView view_{now_};
};

TEST_F(NodeStatesTest, AGoodbyeMakesTheNodeDrainingWithoutAlarm) {
  Begin("a", 1);
  EXPECT_EQ(view_.SayGoodbye("a", 1, "restarting"), NodeState::kConnected);
  EXPECT_EQ(view_.SayGoodbye("a", 1, "restarting"), std::nullopt) << "said once";
  EXPECT_EQ(view_.FindNode("a")->goodbye, "restarting");
  EXPECT_EQ(view_.summary().draining, 1);
  EXPECT_EQ(view_.summary().connected, 0);
  EXPECT_TRUE(Silence(seconds(45)).empty()) << "no SUSPECT";
  EXPECT_EQ(List("state=draining"), std::vector<std::string>{"a"});
  const auto changes = Silence(seconds(1));
  ASSERT_EQ(changes.size(), 1U);
  EXPECT_EQ(changes[0].from, NodeState::kDraining);
  EXPECT_EQ(changes[0].to, NodeState::kLost);
}

TEST_F(NodeStatesTest, ANewSessionTakesTheGoodbyeBack) {
  Begin("a", 1);
  view_.SayGoodbye("a", 1, "restarting");
  EXPECT_EQ(Begin("a", 2), NodeState::kDraining);
  EXPECT_EQ(State("a"), NodeState::kConnected);
  EXPECT_TRUE(view_.FindNode("a")->goodbye.empty());
  EXPECT_EQ(view_.summary().draining, 0);
  EXPECT_EQ(view_.SayGoodbye("a", 1, "late"), std::nullopt) << "of the session before";
  EXPECT_EQ(State("a"), NodeState::kConnected);
}

TEST_F(NodeStatesTest, WhoIsNotConnectedCanBeForgotten) {
  Begin("a", 1);
  EXPECT_EQ(view_.Forget("nobody"), Forgot::kUnknown);
  EXPECT_EQ(view_.Forget("a"), Forgot::kConnected);
  Silence(seconds(26));
  ASSERT_EQ(State("a"), NodeState::kSuspect);
  EXPECT_EQ(view_.Forget("a"), Forgot::kYes);
  EXPECT_EQ(view_.Forget("a"), Forgot::kAlready);
  EXPECT_EQ(State("a"), NodeState::kForgotten);
  EXPECT_EQ(view_.summary().slots, 0);
  EXPECT_EQ(view_.summary().suspect, 0);
  EXPECT_FALSE(view_.Heard("a", 1, now_, liveness_.observed())) << "its session is nobody's";
  EXPECT_TRUE(Silence(seconds(1000)).empty());
}

TEST_F(NodeStatesTest, AForgottenNodeIsListedOnlyWhereTheStateIsNamed) {
  Begin("a", 1);
  Begin("b", 1);
  Silence(seconds(46));
  Begin("b", 2);
  view_.Forget("a");
  EXPECT_EQ(List(""), std::vector<std::string>{"b"});
  EXPECT_EQ(List("node=a"), std::vector<std::string>{});
  EXPECT_EQ(List("state=forgotten"), std::vector<std::string>{"a"});
  EXPECT_EQ(List("state!=connected"), std::vector<std::string>{"a"});
}

TEST_F(NodeStatesTest, ANewSessionBringsAForgottenNodeBack) {
  Begin("a", 1);
  Silence(seconds(46));
  view_.Forget("a");
  EXPECT_EQ(Begin("a", 2), NodeState::kForgotten);
  EXPECT_EQ(State("a"), NodeState::kConnected);
  EXPECT_EQ(view_.summary().slots, 1);
  EXPECT_EQ(view_.summary().connected, 1);
}

TEST_F(NodeStatesTest, WhoWasLostForLongIsForgottenByItself) {
  Begin("a", 1);
  Silence(seconds(46));
  ASSERT_EQ(State("a"), NodeState::kLost);
  EXPECT_EQ(view_.summary().slots, 1);
  const auto changes = Silence(seconds(600));
  ASSERT_EQ(changes.size(), 1U);
  EXPECT_EQ(changes[0].to, NodeState::kForgotten);
  EXPECT_EQ(view_.summary().slots, 0);
  EXPECT_EQ(view_.summary().stale, 0);
  EXPECT_EQ(view_.summary().lost, 0);
}

TEST_F(NodeStatesTest, OneForgottenInAnEarlierLifeComesBackAsNews) {
  view_.AddForgotten("a");
  EXPECT_EQ(List(""), std::vector<std::string>{});
  EXPECT_EQ(List("state=forgotten"), std::vector<std::string>{"a"});
  EXPECT_EQ(Begin("a", 7), NodeState::kForgotten);
}

TEST_F(NodeStatesTest, HowANodeFaresIsOfItsSession) {
  Begin("a", 1);
  NodeVitals vitals;
  vitals.skew = seconds(3);
  vitals.load_per_mille = 250;
  view_.SetVitals("a", 2, vitals);
  EXPECT_FALSE(view_.FindNode("a")->vitals.skew.has_value());
  view_.SetVitals("a", 1, vitals);
  EXPECT_EQ(view_.FindNode("a")->vitals.skew, seconds(3));
  EXPECT_EQ(view_.FindNode("a")->vitals.load_per_mille, 250);
  Begin("a", 2);
  EXPECT_FALSE(view_.FindNode("a")->vitals.skew.has_value());
}

TEST_F(NodeStatesTest, TheHearingCountsWhoMissedAHeartbeat) {
  Begin("a", 1);
  Silence(seconds(13));
  Begin("b", 1);
  view_.JudgeNodes(liveness_);
  EXPECT_EQ(view_.hearing().connected, 2);
  EXPECT_EQ(view_.hearing().missed_one, 1);
  Silence(seconds(13));
  EXPECT_EQ(view_.hearing().connected, 1);
  EXPECT_EQ(view_.hearing().missed_one, 1);
}

}  // namespace
}  // namespace procctl::controller
