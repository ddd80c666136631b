#include "controller/core/kill_plan.h"

#include <gtest/gtest.h>

#include <set>

#include "controller/core/match_all.h"
#include "controller/core/order_recovery.h"
#include "proto/support/filter_schemas.h"

namespace procctl::controller {
namespace {

using std::chrono::seconds;

constexpr MonoTime kNow{seconds(100)};

v1::Slot Slot(const std::string& label, int pid, std::int64_t generation,
              v1::SlotState state = v1::SLOT_STATE_ALIVE) {
  v1::Slot slot;
  slot.set_label(label);
  slot.set_state(state);
  slot.set_door(v1::DOOR_NATIVE);
  slot.mutable_incarnation()->set_boot_id("boot");
  slot.mutable_incarnation()->set_pid(pid);
  slot.mutable_incarnation()->set_start_ticks(99);
  slot.mutable_incarnation()->set_generation(generation);
  return slot;
}

v1::Program Program(const std::string& label, v1::ProgramState state) {
  v1::Program program;
  program.set_label(label);
  program.set_state(state);
  return program;
}

class KillPlanTest : public ::testing::Test {
 protected:
  void AddNode(const std::string& node, const std::vector<v1::Slot>& slots,
               const std::vector<v1::Program>& programs = {}) {
    view_.BeginSession(node, 1, {.mode = "enforce"}, kNow, Observed(0), WallTime());
    v1::SnapshotChunk chunk;
    chunk.set_snapshot(1);
    chunk.set_revision(1);
    chunk.set_last(true);
    for (const v1::Slot& slot : slots) *chunk.add_slots() = slot;
    for (const v1::Program& program : programs) *chunk.add_programs() = program;
    ASSERT_EQ(view_.ApplySnapshot(node, 1, chunk, kNow), FleetView::Applied::kYes);
  }
  std::vector<ChosenSlot> All() {
    std::vector<ChosenSlot> all;
    const Filter everybody;
    view_.VisitSlots({.filter = &everybody}, {}, 1'000'000,
                     [&](const NodeRow& node, const SlotRow& slot) {
                       all.push_back(Choose(view_, node, slot));
                       return true;
                     });
    return all;
  }
  static std::vector<std::string> Names(const std::vector<ChosenSlot>& chosen) {
    std::vector<std::string> names;
    for (const ChosenSlot& slot : chosen) {
      names.push_back(slot.target.node + "/" + slot.target.label + " " +
                      std::to_string(slot.target.batch));
    }
    return names;
  }

  FleetView view_{kNow};
};

using Strings = std::vector<std::string>;

TEST_F(KillPlanTest, ABatchDoesNotTakeAllOfOneHost) {
  AddNode("a", {Slot("1", 11, 1), Slot("2", 12, 2), Slot("3", 13, 3)});
  AddNode("b", {Slot("1", 21, 1), Slot("2", 22, 2)});
  AddNode("c", {Slot("1", 31, 1)});
  EXPECT_EQ(Names(Arrange(All(), {.batch = 3})),
            (Strings{"a/1 1", "b/1 1", "c/1 1", "a/2 2", "b/2 2", "a/3 2"}));
  EXPECT_EQ(BatchesOf(6, {.batch = 3}), 2);
  EXPECT_EQ(BatchesOf(7, {.batch = 3}), 3);
  EXPECT_EQ(BatchesOf(7, {}), 1);
}

TEST_F(KillPlanTest, TheHeartsOfOneProcessAreOneTarget) {
  AddNode("a", {Slot("loop", 11, 1), Slot("timer", 11, 2), Slot("other", 12, 3)});
  EXPECT_EQ(Names(Arrange(All(), {})), (Strings{"a/loop 1", "a/other 1"}));
}

TEST_F(KillPlanTest, ItSaysWhatWillBecomeOfEach) {
  AddNode("a", {Slot("held", 11, 1, v1::SLOT_STATE_HELD), Slot("plain", 12, 2), Slot("web", 13, 3)},
          {Program("web", v1::PROGRAM_STATE_RUNNING)});
  const auto all = All();
  ASSERT_EQ(all.size(), 3U);
  EXPECT_EQ(all[0].target.planned, v1::PLANNED_OUTCOME_HELD);
  EXPECT_EQ(all[1].target.planned, v1::PLANNED_OUTCOME_STOP);
  EXPECT_EQ(all[2].target.planned, v1::PLANNED_OUTCOME_RESTART);
  view_.JudgeNodes(Liveness({}, kNow));
  Liveness late({}, kNow);
  for (int i = 1; i < 100; ++i) late.Tick(kNow + seconds(i));
  view_.JudgeNodes(late);
  EXPECT_EQ(All()[2].target.planned, v1::PLANNED_OUTCOME_UNREACHABLE);
}

TEST_F(KillPlanTest, WhatIsNamedStaysThoughItsRowIsOfAnother) {
  AddNode("a", {Slot("web", 13, 3)}, {Program("web", v1::PROGRAM_STATE_RUNNING)});
  v1::KillTarget named;
  named.set_node("a");
  named.set_slot("web");
  *named.mutable_incarnation() = Slot("web", 13, 3).incarnation();
  EXPECT_EQ(Choose(view_, named).target.planned, v1::PLANNED_OUTCOME_RESTART);
  named.mutable_incarnation()->set_generation(2);
  const ChosenSlot older = Choose(view_, named);
  EXPECT_EQ(older.target.incarnation.generation(), 2);
  EXPECT_EQ(older.target.planned, v1::PLANNED_OUTCOME_STOP);
  EXPECT_EQ(older.state, v1::SLOT_STATE_UNSPECIFIED);
  named.set_node("nobody");
  EXPECT_EQ(Choose(view_, named).target.planned, v1::PLANNED_OUTCOME_UNREACHABLE);
}

TEST_F(KillPlanTest, BackIsAnotherLifeThatBeatsOrARestThatTheNodeTells) {
  AwaitedTarget awaited{"r", 0, "a", "web", Slot("web", 13, 3).incarnation()};
  EXPECT_FALSE(IsBack(view_, awaited)) << "of a node that is not there nothing is known";
  const auto with = [&](const std::vector<v1::Slot>& slots, v1::ProgramState state) {
    AddNode("a", slots, {Program("web", state)});
    return IsBack(view_, awaited);
  };
  EXPECT_FALSE(with({Slot("web", 13, 3)}, v1::PROGRAM_STATE_RUNNING)) << "the life that was ended";
  EXPECT_FALSE(with({}, v1::PROGRAM_STATE_BACKOFF));
  EXPECT_FALSE(with({Slot("web", 14, 4, v1::SLOT_STATE_STARTING)}, v1::PROGRAM_STATE_STARTING));
  EXPECT_TRUE(with({Slot("web", 14, 4)}, v1::PROGRAM_STATE_RUNNING));
  EXPECT_TRUE(with({}, v1::PROGRAM_STATE_DONE)) << "nobody need wait for it";
  EXPECT_FALSE(with({}, v1::PROGRAM_STATE_PARKED));
}

TEST(MatchAll, NamesEverybody) {
  for (const char* filter :
       {"", " ", "\t \n", "*", " * ", "node=*", "node=* name=*", "name=**", "slot=x,*"}) {
    EXPECT_TRUE(IsMatchAll(filter)) << "\"" << filter << "\"";
  }
  for (const char* filter : {"node=web-01", "node=web-*", "node=* name=x", "name!=x", "state=hung",
                             "name=??*", "nmae=x", "pid=4", "web-01/x"}) {
    EXPECT_FALSE(IsMatchAll(filter)) << "\"" << filter << "\"";
  }
}

TEST(MatchAll, WhatOnlyNodesKnowIsNoChoiceForAKill) {
  const auto check = [](const char* text) {
    return CheckKillFilter(*Filter::Parse(text, SlotFilterSchema()));
  };
  EXPECT_TRUE(check("node=a name=cpu-burner slot=memory").ok());
  EXPECT_TRUE(check("name=\"x cpu>3\"").ok());
  for (const char* filter : {"cpu>50", "node=a memory>=2G", "NOT cpu=3", "(memory<1G)", "-cpu=1"}) {
    EXPECT_EQ(check(filter).code(), absl::StatusCode::kInvalidArgument) << filter;
  }
}

TEST(PlanHash, IsOfEverythingThatIsDone) {
  OrderRequest plan;
  plan.issuer = "operator/alice";
  plan.targets.resize(2);
  plan.targets[0].node = "a";
  plan.targets[1].node = "b";
  const std::string hash = PlanHash(plan);
  EXPECT_EQ(hash.size(), 64U);
  std::set<std::string> hashes = {hash};
  const auto other = [&](auto change) {
    OrderRequest changed = plan;
    change(&changed);
    EXPECT_TRUE(hashes.insert(PlanHash(changed)).second);
  };
  using R = OrderRequest*;
  other([](R r) { r->issuer = "operator/bob"; });
  other([](R r) { r->reason = "stuck"; });
  other([](R r) { r->grace = seconds(0); });
  other([](R r) { r->grace = seconds(1); });
  other([](R r) { r->pace.max_unavailable = 1; });
  other([](R r) { r->pace.batch = 1; });
  other([](R r) { r->pace.pause = seconds(1); });
  other([](R r) { r->pace.recovery_limit = seconds(1); });
  other([](R r) { r->pace.halt_percent = 1; });
  other([](R r) { std::swap(r->targets[0], r->targets[1]); });
  other([](R r) { r->targets.pop_back(); });
  other([](R r) { r->targets[0].label = "x"; });
  other([](R r) { r->targets[0].batch = 2; });
  other([](R r) { r->targets[0].incarnation.set_boot_id("x"); });
  other([](R r) { r->targets[0].incarnation.set_pid(2); });
  other([](R r) { r->targets[0].incarnation.set_start_ticks(2); });
  other([](R r) { r->targets[0].incarnation.set_generation(2); });
  OrderRequest same = plan;
  same.id = "r";
  EXPECT_EQ(PlanHash(same), hash) << "under whatever id";
}

TEST(ConfirmBecause, EverybodyAndMoreThanTheRoleMayAreAskedFor) {
  const RoleLimits limits = LimitsOf(/*admin=*/false, {});
  EXPECT_EQ(ConfirmBecause(50, limits, false, "name=x"), "");
  EXPECT_NE(ConfirmBecause(51, limits, false, "name=x").find("51 targets"), std::string::npos);
  EXPECT_NE(ConfirmBecause(3, limits, true, "*").find("\"*\" matches every slot"),
            std::string::npos);
  EXPECT_EQ(ConfirmBecause(500, LimitsOf(/*admin=*/true, {}), false, "name=x"), "");
}

}  // namespace
}  // namespace procctl::controller
