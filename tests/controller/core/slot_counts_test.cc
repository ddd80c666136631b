#include "controller/core/slot_counts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "proto/support/filter_schemas.h"

namespace procctl::controller {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

v1::Slot MakeSlot(std::int64_t generation, const std::string& name, v1::SlotState state) {
  v1::Slot slot;
  slot.set_label(name + "." + std::to_string(generation));
  slot.set_name(name);
  slot.set_state(state);
  slot.set_door(generation % 2 == 0 ? v1::DOOR_CLASSIC : v1::DOOR_NATIVE);
  slot.set_uid(static_cast<int>(generation % 3));
  if (generation % 4 == 0) slot.set_program(name);
  slot.mutable_incarnation()->set_generation(generation);
  return slot;
}

class SlotCountsTest : public ::testing::Test {
 protected:
  SlotCountsTest() {
    const v1::SlotState states[] = {v1::SLOT_STATE_ALIVE, v1::SLOT_STATE_HUNG, v1::SLOT_STATE_ALIVE,
                                    static_cast<v1::SlotState>(99)};
    for (const char* node : {"a", "b", "c"}) {
      view_.BeginSession(node, 1, {}, now_, *node == 'c' ? Observed(0) : Observed(60'000'000'000),
                         WallTime());
      v1::SnapshotChunk piece;
      piece.set_snapshot(1);
      piece.set_last(true);
      for (std::int64_t i = 1; i <= 20; ++i) {
        *piece.add_slots() = MakeSlot(i, i % 5 == 0 ? "db" : "web", states[i % 4]);
      }
      view_.ApplySnapshot(node, 1, piece, now_);
    }
    // c is not heard any more.
    LivenessLimits limits;
    limits.start_grace = std::chrono::seconds(0);
    Liveness liveness(limits, now_);
    for (int i = 1; i <= 60; ++i) liveness.Tick(now_ + std::chrono::seconds(i));
    view_.JudgeNodes(liveness);
  }
  // "value value: n", the largest first. `whole`: nodes are counted without a look at their rows.
  std::vector<std::string> Count(const std::vector<std::string>& keys, std::string_view text = "",
                                 bool whole = true, size_t limit = 1000, size_t budget = 7) {
    const Filter filter = *Filter::Parse(text, SlotFilterSchema());
    auto counts = SlotCounts::By(keys);
    EXPECT_TRUE(counts.ok()) << counts.status();
    std::function<void(const NodeRow&, const SlotTable&)> all;
    if (whole && counts->TakesWholeNodes()) {
      all = [&](const NodeRow& node, const SlotTable& slots) { counts->AddAll(node, slots); };
    }
    std::optional<RowKeyset> at = RowKeyset{};
    while (at) {
      at = view_.CountSlots(
          SlotQuery{&filter, now_, WallTime(), false}, *at, budget, all,
          [&](const NodeRow& node, const SlotRow& slot) { counts->Add(node, slot); });
    }
    const SlotCounts::Result result = counts->Take(limit);
    total_ = result.total;
    others_ = result.others;
    std::vector<std::string> texts;
    for (const SlotCounts::Group& group : result.groups) {
      std::string& line = texts.emplace_back();
      for (const std::string& value : group.values) line += value + " ";
      line += std::to_string(group.slots);
    }
    return texts;
  }

  MonoTime now_{std::chrono::seconds(1000)};
  FleetView view_{now_};
  std::int64_t total_ = 0;
  std::int64_t others_ = 0;
};

TEST_F(SlotCountsTest, WithoutKeysAllAreOneGroup) {
  EXPECT_THAT(Count({}), ElementsAre("60"));
  EXPECT_THAT(Count({}, "name=db"), ElementsAre("12"));
  EXPECT_THAT(Count({}, "name=none"), ElementsAre());
  EXPECT_EQ(total_, 0);
}

TEST_F(SlotCountsTest, GroupsAreTheLargestFirst) {
  EXPECT_THAT(Count({"state"}), ElementsAre("alive 20", "stale 20", "99 10", "hung 10"));
  EXPECT_THAT(Count({"freshness"}), ElementsAre("fresh 40", "unknown 20"));
  EXPECT_THAT(Count({"name", "node"}),
              ElementsAre("web a 16", "web b 16", "web c 16", "db a 4", "db b 4", "db c 4"));
  EXPECT_THAT(Count({"door"}, "node=a"), ElementsAre("classic 10", "native 10"));
  EXPECT_THAT(Count({"program"}, "node=a"), ElementsAre(" 15", "web 4", "db 1"));
  EXPECT_THAT(Count({"uid"}, "node=a"), ElementsAre("1 7", "2 7", "0 6"));
}

TEST_F(SlotCountsTest, GroupsBeyondTheLimitAreSummedUp) {
  EXPECT_THAT(Count({"state"}, "", true, 2), ElementsAre("alive 20", "stale 20"));
  EXPECT_EQ(total_, 60);
  EXPECT_EQ(others_, 20);
}

TEST_F(SlotCountsTest, WholeNodesAndRowsOneByOneAddUpToTheSame) {
  const std::vector<std::string> keys = {"node", "state", "name",     "program",
                                         "door", "uid",   "freshness"};
  for (const std::string& first : keys) {
    for (const std::string& second : keys) {
      std::vector<std::string> by = {first};
      if (second != first) by.push_back(second);
      for (const char* filter : {"", "node=a,c", "state=hung,alive", "state!=busy"}) {
        EXPECT_EQ(Count(by, filter, true), Count(by, filter, false))
            << first << "," << second << " of " << filter;
        EXPECT_EQ(others_, 0);
      }
    }
  }
}

TEST_F(SlotCountsTest, WrongKeysAreToldWhichThereAre) {
  EXPECT_THAT(std::string(SlotCounts::By({"stat"}).status().message()),
              HasSubstr("did you mean state? keys are node, state, name"));
  EXPECT_THAT(std::string(SlotCounts::By({"node", "node"}).status().message()), HasSubstr("twice"));
  EXPECT_THAT(std::string(SlotCounts::By({"node", "state", "uid"}).status().message()),
              HasSubstr("one or two"));
}

}  // namespace
}  // namespace procctl::controller
