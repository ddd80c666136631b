// What feeds of a watch are made from: keys of changed rows, who may hold a row, messages of
// bounded size, events against a filter.
#include <gtest/gtest.h>

#include "controller/core/event_match.h"
#include "controller/core/fleet_view.h"
#include "controller/core/known_rows.h"
#include "controller/core/row_changes.h"
#include "controller/core/snapshot_cache.h"
#include "controller/core/watch_messages.h"
#include "proto/support/filter_schemas.h"

namespace procctl::controller {
namespace {

using std::chrono::seconds;

v1::Slot MakeSlot(std::int64_t generation, const std::string& label) {
  v1::Slot slot;
  slot.set_label(label);
  slot.set_name(label);
  slot.set_state(v1::SLOT_STATE_ALIVE);
  slot.mutable_incarnation()->set_boot_id("boot");
  slot.mutable_incarnation()->set_generation(generation);
  return slot;
}

class RowChangesTest : public ::testing::Test {
 protected:
  RowChangesTest() {
    view_.BeginSession("a", 1, {}, now_, liveness_.observed(), WallTime());
    v1::SnapshotChunk piece = Snapshot({MakeSlot(1, "x"), MakeSlot(2, "y")});
    view_.ApplySnapshot("a", 1, piece, now_);
    view_.set_changes(&changes_);
  }
  static v1::SnapshotChunk Snapshot(const std::vector<v1::Slot>& slots) {
    v1::SnapshotChunk piece;
    piece.set_snapshot(1);
    piece.set_last(true);
    piece.set_revision(1);
    for (const v1::Slot& slot : slots) *piece.add_slots() = slot;
    return piece;
  }
  RowChanges::OfNode Take(const std::string& node) { return changes_.Take().nodes[node]; }

  MonoTime now_{seconds(1000)};
  Liveness liveness_{{seconds(30), seconds(45)}, now_};
  FleetView view_{now_};
  RowChanges changes_;
};

using Generations = absl::flat_hash_set<std::int64_t>;

TEST_F(RowChangesTest, ADeltaNamesWhatItChangesAndEnds) {
  v1::SlotDelta delta;
  delta.set_from_revision(1);
  delta.set_to_revision(2);
  delta.add_removes(1);
  *delta.add_upserts() = MakeSlot(3, "z");
  view_.ApplyDelta("a", 1, delta, now_);
  const RowChanges::OfNode changes = Take("a");
  EXPECT_EQ(changes.generations, (Generations{1, 3}));
  EXPECT_FALSE(changes.all_rows);
  EXPECT_FALSE(changes.state);
  EXPECT_TRUE(changes_.Take().nodes.empty()) << "taken once";
}

TEST_F(RowChangesTest, WhoLosesItsLabelEndsToo) {
  v1::SlotDelta delta;
  delta.set_from_revision(1);
  delta.set_to_revision(2);
  *delta.add_upserts() = MakeSlot(3, "x");
  view_.ApplyDelta("a", 1, delta, now_);
  EXPECT_EQ(view_.FindSlot("a", 1), nullptr);
  EXPECT_EQ(Take("a").generations, (Generations{1, 3}));
}

TEST_F(RowChangesTest, ASnapshotNamesTheRowsThatAreGone) {
  view_.ApplySnapshot("a", 1, Snapshot({MakeSlot(2, "y"), MakeSlot(3, "z")}), now_);
  const RowChanges::OfNode changes = Take("a");
  EXPECT_TRUE(changes.all_rows);
  EXPECT_EQ(changes.generations, Generations{1});
}

TEST_F(RowChangesTest, ANodeThatIsLostWhileWatched) {
  for (int i = 0; i < 100; ++i) liveness_.Tick(now_ += seconds(1));
  EXPECT_EQ(view_.JudgeNodes(liveness_).size(), 1U);
  EXPECT_TRUE(Take("a").state);
  view_.JudgeNodes(liveness_);
  EXPECT_FALSE(Take("a").state) << "told once";
  view_.BeginSession("a", 2, {}, now_, liveness_.observed(), WallTime());
  EXPECT_TRUE(Take("a").state) << "it is back";
}

TEST_F(RowChangesTest, NothingIsNotedForNobody) {
  view_.set_changes(nullptr);
  view_.ApplySnapshot("a", 1, Snapshot({MakeSlot(7, "q")}), now_);
  EXPECT_TRUE(changes_.Take().nodes.empty());
}

TEST(RowChanges, TooManyToKeepIsSaid) {
  RowChanges changes;
  for (std::size_t i = 0; i < RowChanges::kMostGenerations; ++i) {
    changes.Row("a", static_cast<std::int64_t>(i));
    changes.Row("a", static_cast<std::int64_t>(i));
  }
  changes.Row("b", 1);
  changes.State("c");
  RowChanges::Taken taken = changes.Take();
  EXPECT_TRUE(taken.overflowed);
  EXPECT_TRUE(taken.nodes.empty());
  changes.Row("b", 1);
  taken = changes.Take();
  EXPECT_FALSE(taken.overflowed) << "it begins anew";
  EXPECT_EQ(taken.nodes.size(), 1U);
}

TEST(KnownRows, ARowIsHeldFromItsFirstSendingToItsRemoval) {
  std::size_t budget = 10;
  KnownRows known(&budget);
  EXPECT_FALSE(known.MayHold("a", 1));
  known.Add("a", 1);
  known.Add("a", 1);
  EXPECT_TRUE(known.MayHold("a", 1));
  EXPECT_FALSE(known.MayHold("b", 1));
  EXPECT_EQ(budget, 9U);
  known.Remove("a", 1);
  known.Remove("a", 1);
  EXPECT_FALSE(known.MayHold("a", 1));
  EXPECT_EQ(budget, 10U);
}

TEST(KnownRows, BeyondTheBudgetAnyRowMayBeHeld) {
  std::size_t budget = 3;
  {
    KnownRows first(&budget);
    for (int i = 0; i < 3; ++i) first.Add("a", i);
    EXPECT_TRUE(first.exact());
    KnownRows second(&budget);
    second.Add("a", 1);
    EXPECT_FALSE(second.exact());
    EXPECT_TRUE(second.MayHold("x", 99));
    second.Remove("x", 99);
    EXPECT_EQ(budget, 0U);
    first.Reset();
    EXPECT_EQ(budget, 3U);
    second.Reset();
    second.Add("a", 1);
    EXPECT_TRUE(second.exact());
  }
  EXPECT_EQ(budget, 3U) << "what is gone remembers nothing";
}

TEST(KnownRows, OneFeedDoesNotTakeAllOfTheBudget) {
  std::size_t budget = 10 * KnownRows::kMost;
  KnownRows known(&budget);
  for (std::size_t i = 0; i <= KnownRows::kMost; ++i) {
    known.Add("a", static_cast<std::int64_t>(i));
  }
  EXPECT_FALSE(known.exact());
  EXPECT_EQ(budget, 10 * KnownRows::kMost);
}

class SnapshotCacheTest : public ::testing::Test {
 protected:
  static WatchPiece Piece(std::size_t bytes) {
    WatchPiece piece;
    piece.bytes = std::make_shared<const std::string>(bytes, 'x');
    return piece;
  }
  static WatchPlace Behind(const std::string& label) { return {"a", label, 0, 0}; }
  void AddToRing(std::size_t bytes) {
    ring_.Add(std::make_shared<const std::string>(bytes, 'x'), 0, 0);
  }

  std::size_t budget_ = 10 << 20;
  MonoTime now_{seconds(1000)};
  WatchRing ring_{1000, 0};
  SnapshotCache cache_{&budget_};
};

TEST_F(SnapshotCacheTest, WhoBeginsSoonAfterUsesWhatWasMade) {
  const std::int64_t first = cache_.Join(ring_, now_);
  EXPECT_EQ(cache_.Find(first, Behind(""), now_), nullptr);
  cache_.Keep(Behind(""), Piece(100), now_);
  AddToRing(100);
  now_ += SnapshotCache::kMostAge;
  EXPECT_EQ(cache_.Join(ring_, now_), first) << "so the change that came since is not missed";
  const WatchPiece* piece = cache_.Find(first, Behind(""), now_);
  ASSERT_NE(piece, nullptr);
  EXPECT_EQ(piece->bytes->size(), 100U);
  now_ += std::chrono::nanoseconds(1);
  EXPECT_EQ(cache_.Find(first, Behind(""), now_), nullptr) << "too old";
  EXPECT_EQ(cache_.Join(ring_, now_), ring_.end());
}

TEST_F(SnapshotCacheTest, APieceFromBeforeAWatchersRingIsNotForIt) {
  cache_.Join(ring_, now_);
  cache_.Keep(Behind(""), Piece(100), now_);
  AddToRing(10);
  EXPECT_EQ(cache_.Find(ring_.end(), Behind(""), now_), nullptr);
}

TEST_F(SnapshotCacheTest, NobodyJoinsWhereTheRingIsNearlyDropped) {
  const std::int64_t first = cache_.Join(ring_, now_);
  cache_.Keep(Behind(""), Piece(100), now_);
  AddToRing(251);
  EXPECT_NE(cache_.Join(ring_, now_), first);
  EXPECT_EQ(budget_, std::size_t{10 << 20}) << "and what was made goes";
}

TEST_F(SnapshotCacheTest, HoldsNoMoreThanItMay) {
  const std::int64_t first = cache_.Join(ring_, now_);
  for (int i = 0; i < 100; ++i) {
    cache_.Keep(Behind(std::to_string(i)), Piece(64 << 10), now_);
    cache_.Keep(Behind(std::to_string(i)), Piece(64 << 10), now_);
  }
  EXPECT_GE(budget_, (10 << 20) - SnapshotCache::kMostBytes);
  EXPECT_LT(budget_, (10 << 20) - SnapshotCache::kMostBytes / 2);
  EXPECT_EQ(cache_.Find(first, Behind("0"), now_), nullptr);
  EXPECT_NE(cache_.Find(first, Behind("99"), now_), nullptr);
  cache_.Expire(now_ + SnapshotCache::kMostAge + std::chrono::nanoseconds(1));
  EXPECT_EQ(budget_, std::size_t{10 << 20});
  budget_ = 100;
  cache_.Keep(Behind("x"), Piece(1000), now_);
  EXPECT_EQ(budget_, 100U);
  EXPECT_EQ(cache_.Find(first, Behind("x"), now_), nullptr);
}

TEST(WatchMessages, RowsGoOutInMessagesOfBoundedSize) {
  RowMessages messages;
  v1::FleetSlot row;
  row.set_node("a");
  row.mutable_slot()->set_note(std::string(1000, 'n'));
  for (int i = 0; i < 200; ++i) messages.Upsert(row);
  messages.Remove("a", 7);
  int rows = 0;
  int removes = 0;
  for (const WatchBytes& bytes : messages.Take()) {
    EXPECT_LT(bytes->size(), kWatchMessageBytes + 2000);
    v1::WatchResponse response;
    ASSERT_TRUE(response.ParseFromString(*bytes));
    rows += response.changes().upserts_size();
    removes += response.changes().removes_size();
  }
  EXPECT_EQ(rows, 200);
  EXPECT_EQ(removes, 1);
  EXPECT_TRUE(messages.Take().empty());
}

TEST(WatchMessages, EachMessageOfEventsSaysHowManyAndHowFar) {
  EventMessages messages;
  for (int i = 1; i <= 100; ++i) {
    v1::StoredEvent event;
    event.set_position(10 * i);
    event.mutable_event()->set_message(std::string(1000, 'm'));
    messages.Add(event);
  }
  const auto taken = messages.Take();
  ASSERT_EQ(taken.size(), 2U);
  EXPECT_EQ(taken[0].items + taken[1].items, 100);
  EXPECT_EQ(taken[0].last_position, 10 * taken[0].items);
  EXPECT_EQ(taken[1].last_position, 1000);
}

TEST(EventMatch, EveryKeyOfTheListsFilterIsKnown) {
  v1::Event event;
  event.set_node("web-01");
  event.set_slot("encoder");
  event.set_name("enc");
  event.set_kind(v1::EVENT_KIND_VERDICT);
  event.set_cause(v1::CAUSE_HEARTBEAT);
  event.set_verdict(v1::VERDICT_KILLED);
  event.set_order_id("r/0");
  event.mutable_incarnation()->set_pid(42);
  event.set_kill(7);
  event.set_program("tor");
  event.set_run("run-1");
  const auto matches = [&](std::string_view text) {
    const auto filter = Filter::Parse(text, EventFilterSchema());
    EXPECT_TRUE(filter.ok()) << filter.status();
    return filter.ok() && Matches(*filter, event);
  };
  for (const char* holds : {"", "node=web-*", "slot=encoder", "name=enc", "kind=verdict,hung",
                            "cause=heartbeat", "verdict=killed", "order=r/0", "pid=42", "kill=7",
                            "program=tor", "run=run-1", "node=web-01 pid!=43"}) {
    EXPECT_TRUE(matches(holds)) << holds;
  }
  for (const char* fails :
       {"node=db-*", "slot=enc", "name=encoder", "kind=hung", "cause=operator", "verdict=held",
        "order=r/1", "pid=7", "kill=42", "program=run-1", "run=tor", "node!=web-01"}) {
    EXPECT_FALSE(matches(fails)) << fails;
  }
}

}  // namespace
}  // namespace procctl::controller
