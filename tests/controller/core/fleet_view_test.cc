#include "controller/core/fleet_view.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <random>

#include "proto/support/filter_schemas.h"

namespace procctl::controller {
namespace {

using std::chrono::seconds;
using Applied = FleetView::Applied;

const WallTime kWall(std::chrono::hours(24 * 365 * 50));

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
      at = view_.VisitSlots(Query(filter), *at, budget,
                            [&](const NodeRow& node, const SlotRow& slot) {
                              all.push_back(node.id + "/" + std::string(slot.label));
                              return ++rows < page;
                            });
    }
    return all;
  }
  SlotQuery Query(const Filter& filter) const { return {&filter, now_, kWall, false}; }
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

TEST_F(FleetViewTest, RowsOfANodeThatIsNotHeardAreStaleAndCountedSo) {
  Begin("a", 1);
  Snapshot("a", 1, 1, true, {MakeSlot(1, "x", v1::SLOT_STATE_HUNG), MakeSlot(2, "y")});
  Begin("b", 1);
  EXPECT_EQ(view_.summary().stale, 0);
  Silence(seconds(31));
  const auto suspects = view_.JudgeNodes(liveness_);
  ASSERT_EQ(suspects.size(), 2U);
  EXPECT_EQ(suspects[0].to, NodeState::kSuspect);
  EXPECT_EQ(view_.summary().in_trouble, 1);
  EXPECT_EQ(view_.summary().stale, 2);
  EXPECT_EQ(List("state=stale"), (std::vector<std::string>{"a/x", "a/y"}));
  EXPECT_TRUE(List("state=hung").empty()) << "that was true once";
  EXPECT_EQ(List("state!=hung").size(), 2U);
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
  EXPECT_EQ(List("state=hung"), (std::vector<std::string>{"a/x"}));
}

TEST_F(FleetViewTest, SlotsCanBeFilteredByWhatTheyAreAndHowLong) {
  Begin("a", 1);
  v1::Slot web = MakeSlot(1, "web", v1::SLOT_STATE_QUIET);
  web.set_program("web@1");
  web.set_uid(1000);
  web.mutable_registered_at()->set_seconds(
      std::chrono::duration_cast<seconds>(kWall.time_since_epoch()).count() - 3600);
  web.mutable_timeout()->set_seconds(60);
  web.mutable_silence()->set_seconds(31);
  v1::Slot alive = MakeSlot(2, "alive");
  alive.mutable_timeout()->set_seconds(60);
  Snapshot("a", 1, 1, true, {web, alive, MakeSlot(3, "never")});
  const std::vector<std::string> just_web = {"a/web"};
  const std::vector<std::string> just_alive = {"a/alive"};
  EXPECT_EQ(List("program=web@*"), just_web);
  EXPECT_EQ(List("program=\"\"").size(), 2U);
  EXPECT_EQ(List("uid=1000"), just_web);
  EXPECT_EQ(List("age>59m age<=1h"), just_web);
  EXPECT_TRUE(List("age<59m").empty()) << "the age of the others is not known";
  EXPECT_EQ(List("silence>=31s"), just_web);
  EXPECT_EQ(List("silence<=30s"), just_alive) << "at most half its timeout";
  EXPECT_TRUE(List("silence<20s").empty()) << "that is more than is known";
  now_ += seconds(9);
  EXPECT_EQ(List("silence>=40s"), just_web) << "it goes on";
  EXPECT_TRUE(List("silence<40s silence>30s").empty());
  Silence(seconds(31));
  view_.JudgeNodes(liveness_);
  EXPECT_TRUE(List("silence>=0s").empty()) << "nothing is known of who is not heard";
}

TEST_F(FleetViewTest, RowsWhoseUsageDecidesAreVisitedOnRequest) {
  Begin("a", 1);
  Snapshot("a", 1, 1, true, {MakeSlot(1, "x"), MakeSlot(2, "y", v1::SLOT_STATE_HUNG)});
  EXPECT_TRUE(List("cpu>50").empty());
  const Filter filter = *Filter::Parse("cpu>50 state=hung", SlotFilterSchema());
  SlotQuery query = Query(filter);
  query.maybe = true;
  std::vector<std::string> seen;
  view_.VisitSlots(query, {}, 1000, [&](const NodeRow&, const SlotRow& slot) {
    seen.emplace_back(slot.label);
    return true;
  });
  EXPECT_EQ(seen, (std::vector<std::string>{"y"}));
}

TEST_F(FleetViewTest, ANodeWithoutAMatchCostsNoLookAtItsRows) {
  for (const char* node : {"a", "b", "c"}) {
    Begin(node, 1);
    std::vector<v1::Slot> slots;
    for (int i = 1; i <= 100; ++i) slots.push_back(MakeSlot(i, "web." + std::to_string(i)));
    if (*node == 'c') slots[50] = MakeSlot(51, "last", v1::SLOT_STATE_HUNG);
    Snapshot(node, 1, 1, true, slots);
  }
  for (const char* text :
       {"state=hung", "name=last", "name=la*", "slot=last", "node=c name!=web"}) {
    const Filter filter = *Filter::Parse(text, SlotFilterSchema());
    std::vector<std::string> seen;
    // Three nodes and the rows of one.
    EXPECT_EQ(view_.VisitSlots(Query(filter), {}, 104,
                               [&](const NodeRow& node, const SlotRow& slot) {
                                 seen.push_back(node.id + "/" + std::string(slot.label));
                                 return true;
                               }),
              std::nullopt)
        << text;
    EXPECT_EQ(seen, (std::vector<std::string>{"c/last"})) << text;
  }
}

// A row as a filter should see it, said a second time.
struct SentRow {
  std::string node;
  v1::Slot slot;
  bool stale = false;

  std::string_view Text(int key) const {
    return key == kSlotKeyNode      ? std::string_view(node)
           : key == kSlotKeyName    ? std::string_view(slot.name())
           : key == kSlotKeyProgram ? std::string_view(slot.program())
                                    : std::string_view(slot.label());
  }
  NumberRange Number(int key) const {
    if (key == kSlotKeyPid) return slot.incarnation().pid();
    if (key == kSlotKeyUid) return slot.uid();
    return {};
  }
  int Choice(int key) const {
    if (key == kSlotKeyDoor) return slot.door();
    return stale ? v1::SLOT_STATE_STALE : slot.state();
  }
};

TEST_F(FleetViewTest, SkippingNodesNeverCostsARow) {
  std::mt19937 random(4242);
  const auto pick = [&](const auto& of) -> const auto& {
    return of[std::uniform_int_distribution<size_t>(0, std::size(of) - 1)(random)];
  };
  const std::vector<std::string> names = {"web", "db", "cache", "a b"};
  const std::vector<v1::SlotState> states = {v1::SLOT_STATE_ALIVE, v1::SLOT_STATE_HUNG,
                                             v1::SLOT_STATE_HELD, static_cast<v1::SlotState>(99)};
  std::vector<SentRow> sent;
  for (const char* node : {"n1", "n2", "n3", "n4", "n5"}) {
    Begin(node, 1);
    std::vector<v1::Slot> slots;
    const int rows = std::uniform_int_distribution<int>(0, 4)(random);
    for (int i = 1; i <= rows; ++i) {
      v1::Slot& slot =
          slots.emplace_back(MakeSlot(i, pick(names) + "." + std::to_string(i), pick(states)));
      slot.set_uid(i % 2);
      slot.set_program(pick(names));
      sent.push_back({node, slot, std::string_view(node) == "n4"});
    }
    Snapshot(node, 1, 1, true, slots);
  }
  Silence(seconds(31));
  for (const char* node : {"n1", "n2", "n3", "n5"})
    view_.Heard(node, 1, now_, liveness_.observed());
  view_.JudgeNodes(liveness_);

  const std::vector<std::string> terms = {
      "node=n1,n4",  "node!=n2",        "name=web",    "name!=web",  "name=\"a b\"", "name:e",
      "name=?eb,d*", "slot=db.2",       "slot=web*",   "slot!=db.1", "state=hung",   "state!=alive",
      "state=stale", "state=held,hung", "state=*",     "uid=1",      "uid>0",        "pid<1003",
      "pid>=1002",   "program=web",     "program!=d*", "cpu>1",      "age>1s",       "door=native"};
  const auto& make = [&](const auto& self, int depth) -> std::string {
    std::string text;
    const int parts = std::uniform_int_distribution<int>(1, 3)(random);
    for (int i = 0; i < parts; ++i) {
      if (i > 0) text += pick(std::vector<std::string>{" ", " AND ", " OR "});
      text += pick(std::vector<std::string>{"", "", "NOT ", "-"});
      const bool deeper = depth < 3 && std::uniform_int_distribution<int>(0, 2)(random) == 0;
      text += deeper ? "(" + self(self, depth + 1) + ")" : pick(terms);
    }
    return text;
  };
  for (int round = 0; round < 2000; ++round) {
    const std::string text = make(make, 0);
    const auto filter = Filter::Parse(text, SlotFilterSchema());
    ASSERT_TRUE(filter.ok()) << filter.status();
    std::vector<std::string> expected;
    for (const SentRow& row : sent) {
      if (filter->Matches(row)) expected.push_back(row.node + "/" + row.slot.label());
      if (row.stale || row.slot.state() < 99) {
        EXPECT_TRUE(!filter->MatchesEverything() || filter->Judge(row) != Match::kNo) << text;
      }
    }
    std::sort(expected.begin(), expected.end());
    ASSERT_EQ(List(text, 1 + static_cast<size_t>(round % 3), 1 + static_cast<size_t>(round % 7)),
              expected)
        << text;
  }
}

TEST_F(FleetViewTest, NamesAndStatesAreCountedAsRowsComeAndGo) {
  Begin("a", 1);
  Snapshot("a", 1, 1, true, {MakeSlot(1, "x"), MakeSlot(2, "x.2"), MakeSlot(3, "y")});
  Delta("a", 1, 1, {MakeSlot(2, "x.2", v1::SLOT_STATE_HUNG)}, {1});
  EXPECT_EQ(List("name=x state=hung"), (std::vector<std::string>{"a/x.2"}));
  Delta("a", 1, 2, {MakeSlot(4, "z", static_cast<v1::SlotState>(4711))}, {2});
  EXPECT_TRUE(List("name=x").empty());
  EXPECT_TRUE(List("state=hung").empty());
  EXPECT_EQ(List("state!=alive"), (std::vector<std::string>{"a/z"})) << "of a newer version";
  EXPECT_EQ(List("NOT state=*"), (std::vector<std::string>{"a/z"}));
  EXPECT_EQ(view_.FindSlot("a", 4)->label, "z");
  EXPECT_EQ(view_.FindSlot("a", 2), nullptr);
  EXPECT_EQ(view_.FindSlot("b", 4), nullptr);
}

TEST_F(FleetViewTest, ARowIsKeptAsItWasSentButForWhatNobodyCanShow) {
  Begin("a", 1);
  v1::Slot sent = MakeSlot(1, "x");
  sent.set_program("web@1");
  sent.set_note("busy");
  sent.mutable_hold()->set_owner("operator/alice");
  sent.mutable_timeout()->set_seconds(5);
  v1::Slot odd = MakeSlot(2, "y");
  odd.clear_name();
  odd.mutable_registered_at()->set_seconds(std::numeric_limits<std::int64_t>::max());
  odd.mutable_silence()->set_nanos(-7);
  odd.mutable_timeout();
  odd.GetReflection()->MutableUnknownFields(&odd)->AddLengthDelimited(900)->assign(5000, 'x');
  Snapshot("a", 1, 1, true, {sent, odd});
  EXPECT_EQ(view_.FindSlot("a", 1)->Unpack().SerializeAsString(), sent.SerializeAsString());
  EXPECT_EQ(view_.FindSlot("a", 1)->program, "web@1");
  EXPECT_TRUE(view_.FindSlot("a", 1)->held);
  v1::Slot expected = MakeSlot(2, "y");
  EXPECT_EQ(expected.name(), "y");
  EXPECT_EQ(view_.FindSlot("a", 2)->Unpack().SerializeAsString(), expected.SerializeAsString());
  EXPECT_EQ(view_.FindSlot("a", 2)->ShownName(), "y");

  v1::Slot large = MakeSlot(3, "z");
  large.set_note(std::string(SlotRow::kMostBytes, 'x'));
  Delta("a", 1, 1, {large, MakeSlot(4, "with\x1f.separator"), MakeSlot(5, std::string(2000, 'l'))});
  EXPECT_EQ(view_.summary().slots, 2);
  EXPECT_EQ(view_.malformed_rows(), 3);
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
