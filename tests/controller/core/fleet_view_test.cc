#include "controller/core/fleet_view.h"

#include <gtest/gtest.h>

#include "proto/support/filter_schemas.h"

namespace procctl::controller {
namespace {

using std::chrono::seconds;
using Applied = FleetView::Applied;

v1::Slot MakeSlot(std::int64_t generation, const std::string& label,
                  v1::SlotState state = v1::SLOT_STATE_ALIVE) {
  v1::Slot slot;
  slot.set_label(label);
  slot.set_name(label.substr(0, label.find('.')));
  slot.set_state(state);
  slot.mutable_incarnation()->set_boot_id("boot");
  slot.mutable_incarnation()->set_pid(static_cast<int>(1000 + generation));
  slot.mutable_incarnation()->set_generation(generation);
  return slot;
}

class FleetViewTest : public ::testing::Test {
 protected:
  void Begin(const std::string& node, std::int64_t epoch) {
    view_.BeginSession(node, epoch, {}, now_, liveness_.observed(), WallTime());
  }
  Applied Snapshot(const std::string& node, std::int64_t epoch, std::int64_t number, bool last,
                   const std::vector<v1::Slot>& slots, std::int64_t revision = 1) {
    v1::SnapshotChunk piece;
    piece.set_snapshot(number);
    piece.set_last(last);
    piece.set_revision(revision);
    for (const v1::Slot& slot : slots) *piece.add_slots() = slot;
    return view_.ApplySnapshot(node, epoch, piece, now_);
  }
  Applied Delta(const std::string& node, std::int64_t epoch, std::int64_t from,
                const std::vector<v1::Slot>& upserts,
                const std::vector<std::int64_t>& removes = {}) {
    v1::SlotDelta delta;
    delta.set_from_revision(from);
    delta.set_to_revision(from + 1);
    for (const v1::Slot& slot : upserts) *delta.add_upserts() = slot;
    for (const std::int64_t generation : removes) delta.add_removes(generation);
    return view_.ApplyDelta(node, epoch, delta, now_);
  }
  std::vector<std::string> List(std::string_view text = "", size_t page = 1000,
                                size_t budget = 1000) {
    const Filter filter = *Filter::Parse(text, SlotFilterSchema());
    std::vector<std::string> all;
    std::optional<RowKeyset> at = RowKeyset{};
    while (at) {
      size_t rows = 0;
      at = view_.VisitSlots(filter, *at, budget, [&](const NodeRow& node, const SlotRow& slot) {
        all.push_back(node.id + "/" + slot.label);
        return ++rows < page;
      });
    }
    return all;
  }
  void Silence(std::chrono::nanoseconds by) {
    for (; by > seconds(0); by -= seconds(1)) liveness_.Tick(now_ += seconds(1));
  }

  MonoTime now_{seconds(1000)};
  Liveness liveness_{LivenessLimits{.start_grace = seconds(0)}, now_};
  FleetView view_{now_};
};

TEST_F(FleetViewTest, ASnapshotShowsNothingBeforeItsLastPiece) {
  Begin("a", 1);
  EXPECT_EQ(Snapshot("a", 1, 1, false, {MakeSlot(1, "x")}), Applied::kYes);
  EXPECT_TRUE(List().empty());
  Snapshot("a", 1, 1, true, {MakeSlot(2, "y")});
  EXPECT_EQ(List(), (std::vector<std::string>{"a/x", "a/y"}));
  EXPECT_EQ(view_.summary().slots, 2);
}

TEST_F(FleetViewTest, ANewSnapshotReplacesAllOldRowsAndDropsAnUnfinishedOne) {
  Begin("a", 1);
  Snapshot("a", 1, 1, true, {MakeSlot(1, "old")});
  Snapshot("a", 1, 2, false, {MakeSlot(2, "unfinished")});
  Snapshot("a", 1, 3, true, {MakeSlot(3, "new")});
  EXPECT_EQ(List(), (std::vector<std::string>{"a/new"}));
}

TEST_F(FleetViewTest, OldRowsStandUntilTheNewSessionsSnapshot) {
  Begin("a", 1);
  Snapshot("a", 1, 1, true, {MakeSlot(1, "x")});
  Begin("a", 2);
  EXPECT_EQ(List(), (std::vector<std::string>{"a/x"}));
  EXPECT_EQ(Snapshot("a", 1, 2, true, {}), Applied::kIgnored) << "superseded session";
  Snapshot("a", 2, 1, true, {});
  EXPECT_TRUE(List().empty());
}

TEST_F(FleetViewTest, ADeltaAddsChangesAndRemoves) {
  Begin("a", 1);
  Snapshot("a", 1, 1, true, {MakeSlot(1, "x"), MakeSlot(2, "y")});
  EXPECT_EQ(Delta("a", 1, 1, {MakeSlot(2, "y", v1::SLOT_STATE_HUNG), MakeSlot(3, "z")}, {1}),
            Applied::kYes);
  EXPECT_EQ(List(), (std::vector<std::string>{"a/y", "a/z"}));
  EXPECT_EQ(List("state=hung"), (std::vector<std::string>{"a/y"}));
  EXPECT_EQ(view_.FindNode("a")->in_trouble, 1);
}

TEST_F(FleetViewTest, StartingAndLongWorkAreNoTroubleAndAllElseIs) {
  Begin("a", 1);
  Snapshot("a", 1, 1, true,
           {MakeSlot(1, "p", v1::SLOT_STATE_ALIVE), MakeSlot(2, "q", v1::SLOT_STATE_QUIET),
            MakeSlot(3, "r", v1::SLOT_STATE_STARTING), MakeSlot(4, "s", v1::SLOT_STATE_BUSY)});
  EXPECT_EQ(view_.summary().in_trouble, 0);
  Delta("a", 1, 1,
        {MakeSlot(5, "t", v1::SLOT_STATE_NO_PROGRESS), MakeSlot(6, "u", v1::SLOT_STATE_GAVE_UP),
         MakeSlot(7, "v", v1::SLOT_STATE_HELD)});
  EXPECT_EQ(view_.summary().in_trouble, 3);
  EXPECT_EQ(List("state=no_progress,gave_up"), (std::vector<std::string>{"a/t", "a/u"}));
  EXPECT_EQ(List("state=starting"), (std::vector<std::string>{"a/r"}));
  EXPECT_EQ(List("state=busy"), (std::vector<std::string>{"a/s"}));
}

TEST_F(FleetViewTest, ALabelTakenAgainBeforeTheOldRowsRemovalIsTold) {
  Begin("a", 1);
  Snapshot("a", 1, 1, true, {MakeSlot(1, "x")});
  Delta("a", 1, 1, {MakeSlot(2, "x")});
  Delta("a", 1, 2, {}, {1});
  EXPECT_EQ(List(), (std::vector<std::string>{"a/x"}));
  EXPECT_EQ(view_.summary().slots, 1);
}

TEST_F(FleetViewTest, ADeltaFromAnotherRevisionAsksForASnapshotOnce) {
  Begin("a", 1);
  Snapshot("a", 1, 1, true, {MakeSlot(1, "x")}, 7);
  EXPECT_EQ(Delta("a", 1, 6, {}), Applied::kResync);
  EXPECT_EQ(Delta("a", 1, 8, {}), Applied::kIgnored);
  Snapshot("a", 1, 2, true, {MakeSlot(1, "x")}, 9);
  EXPECT_EQ(Delta("a", 1, 9, {}), Applied::kYes);
}

TEST_F(FleetViewTest, ADeltaBeforeTheFirstSnapshotMeansNothing) {
  Begin("a", 1);
  EXPECT_EQ(Delta("a", 1, 0, {MakeSlot(1, "x")}), Applied::kIgnored);
  EXPECT_TRUE(List().empty());
}

TEST_F(FleetViewTest, MalformedRowsNeverCostTheOthers) {
  Begin("a", 1);
  Snapshot(
      "a", 1, 1, true,
      {MakeSlot(1, "x"), MakeSlot(2, ""), MakeSlot(0, "zero"), MakeSlot(3, "x"), MakeSlot(4, "y")});
  EXPECT_EQ(List(), (std::vector<std::string>{"a/x", "a/y"}));
  EXPECT_EQ(view_.malformed_rows(), 3);
}

TEST_F(FleetViewTest, PagesOfAnySizeTogetherAreTheWholeListInOrder) {
  for (const char* node : {"b", "a", "c"}) {
    Begin(node, 1);
    Snapshot(node, 1, 1, true, {MakeSlot(1, "y"), MakeSlot(2, "x"), MakeSlot(3, "z.2")});
  }
  const std::vector<std::string> all = {"a/x",   "a/y", "a/z.2", "b/x",  "b/y",
                                        "b/z.2", "c/x", "c/y",   "c/z.2"};
  for (size_t page = 1; page < 11; ++page) {
    for (size_t budget = 1; budget < 14; ++budget) EXPECT_EQ(List("", page, budget), all);
  }
  EXPECT_EQ(List("node=b slot!=y", 1, 1), (std::vector<std::string>{"b/x", "b/z.2"}));
  EXPECT_EQ(List("name=z"), (std::vector<std::string>{"a/z.2", "b/z.2", "c/z.2"}));
  EXPECT_EQ(List("pid=1002 door!=native").size(), 3U);
}

TEST_F(FleetViewTest, RowsOfALostNodeAreStaleAndCountedSo) {
  Begin("a", 1);
  Snapshot("a", 1, 1, true, {MakeSlot(1, "x", v1::SLOT_STATE_HUNG), MakeSlot(2, "y")});
  Begin("b", 1);
  Silence(seconds(31));
  const auto suspects = view_.JudgeNodes(liveness_);
  ASSERT_EQ(suspects.size(), 2U);
  EXPECT_EQ(suspects[0].to, NodeState::kSuspect);
  EXPECT_EQ(view_.summary().in_trouble, 1);
  EXPECT_TRUE(view_.Heard("b", 1, now_, liveness_.observed()));
  Silence(seconds(15));
  view_.JudgeNodes(liveness_);
  EXPECT_EQ(view_.FindNode("a")->state, NodeState::kLost);
  EXPECT_EQ(view_.FindNode("b")->state, NodeState::kConnected);
  EXPECT_EQ(List("state=stale"), (std::vector<std::string>{"a/x", "a/y"}));
  EXPECT_TRUE(List("state=hung").empty());
  EXPECT_EQ(view_.summary().stale, 2);
  EXPECT_EQ(view_.summary().in_trouble, 0);
  EXPECT_EQ(view_.summary().lost, 1);
  EXPECT_EQ(view_.summary().connected, 1);

  Begin("a", 2);
  EXPECT_EQ(view_.summary().stale, 0);
  EXPECT_EQ(view_.summary().in_trouble, 1);
}

TEST_F(FleetViewTest, AKnownNodeIsSuspectUntilItIsHeard) {
  view_.AddKnown("a");
  EXPECT_EQ(view_.FindNode("a")->state, NodeState::kSuspect);
  EXPECT_TRUE(view_.JudgeNodes(liveness_).empty());
  EXPECT_EQ(view_.BeginSession("a", 5, {}, now_, liveness_.observed(), WallTime()), std::nullopt);
  EXPECT_EQ(view_.BeginSession("a", 6, {}, now_, liveness_.observed(), WallTime()),
            NodeState::kConnected);
  EXPECT_EQ(view_.summary().connected, 1);
  EXPECT_EQ(view_.summary().suspect, 0);
}

TEST_F(FleetViewTest, NodesAreListedInOrderAndByState) {
  Begin("b", 1);
  view_.AddKnown("a");
  std::vector<std::string> seen;
  const auto collect = [&](const NodeRow& node) {
    seen.push_back(node.id);
    return true;
  };
  view_.VisitNodes(Filter(), "", collect);
  EXPECT_EQ(seen, (std::vector<std::string>{"a", "b"}));
  seen.clear();
  view_.VisitNodes(*Filter::Parse("state=connected", NodeFilterSchema()), "", collect);
  EXPECT_EQ(seen, (std::vector<std::string>{"b"}));
  seen.clear();
  view_.VisitNodes(Filter(), "a", collect);
  EXPECT_EQ(seen, (std::vector<std::string>{"b"}));
}

TEST_F(FleetViewTest, MessagesOfASupersededSessionDoNotCountAsHeard) {
  Begin("a", 1);
  Begin("a", 2);
  EXPECT_FALSE(view_.Heard("a", 1, now_, liveness_.observed()));
  EXPECT_FALSE(view_.Heard("nobody", 1, now_, liveness_.observed()));
}

}  // namespace
}  // namespace procctl::controller
