#include "cli/local_rows.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace procctl::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

v1::LocalHello Node() {
  v1::LocalHello node;
  node.set_node_id("web-01");
  node.set_mode("enforce");
  return node;
}

v1::Slot Slot(const std::string& label, v1::SlotState state, int pid, v1::Door door) {
  v1::Slot slot;
  slot.set_label(label);
  slot.set_name(label.substr(0, label.find('.')));
  slot.set_state(state);
  slot.set_door(door);
  slot.mutable_incarnation()->set_pid(pid);
  return slot;
}

const std::vector<v1::Slot>& Slots() {
  static const auto* slots =
      new std::vector<v1::Slot>{Slot("encoder.2", v1::SLOT_STATE_HUNG, 12, v1::DOOR_NATIVE),
                                Slot("encoder", v1::SLOT_STATE_ALIVE, 11, v1::DOOR_NATIVE),
                                Slot("api", v1::SLOT_STATE_QUIET, 10, v1::DOOR_CLASSIC)};
  return *slots;
}

std::vector<std::string> Labels(const std::string& filter) {
  const auto list = SlotsOf(Node(), Slots(), filter, {});
  EXPECT_TRUE(list.ok()) << list.status();
  std::vector<std::string> labels;
  if (!list.ok()) return labels;
  for (const v1::FleetSlot& row : list->slots) labels.push_back(row.slot().label());
  return labels;
}

TEST(LocalRows, AreAsAControllerWouldListThem) {
  const auto list = SlotsOf(Node(), Slots(), "", {});
  ASSERT_TRUE(list.ok());
  EXPECT_THAT(Labels(""), ElementsAre("api", "encoder", "encoder.2"));
  EXPECT_EQ(list->slots[0].node(), "web-01");
  EXPECT_EQ(list->slots[0].node_state(), v1::NODE_STATE_CONNECTED);
  EXPECT_EQ(list->summary.nodes_connected(), 1);
  EXPECT_EQ(list->summary.slots(), 3);
  EXPECT_EQ(list->summary.slots_in_trouble(), 1);
}

TEST(LocalRows, TheSameFilterHolds) {
  EXPECT_THAT(Labels("name=encoder"), ElementsAre("encoder", "encoder.2"));
  EXPECT_THAT(Labels("slot=encoder"), ElementsAre("encoder"));
  EXPECT_THAT(Labels("state=hung"), ElementsAre("encoder.2"));
  EXPECT_THAT(Labels("state!=hung door=native"), ElementsAre("encoder"));
  EXPECT_THAT(Labels("pid=10,12"), ElementsAre("api", "encoder.2"));
  EXPECT_THAT(Labels("node=web-*"), ElementsAre("api", "encoder", "encoder.2"));
  EXPECT_THAT(Labels("node=db-*"), IsEmpty());
  // The summary is over all, whatever the filter.
  EXPECT_EQ(SlotsOf(Node(), Slots(), "name=api", {})->summary.slots(), 3);
  const auto wrong = SlotsOf(Node(), Slots(), "state=hanging", {});
  ASSERT_TRUE(absl::IsInvalidArgument(wrong.status()));
  EXPECT_THAT(std::string(wrong.status().message()), HasSubstr("no such state"));
}

TEST(LocalRows, ProgramsMatchByLabelNameStateAndTheirLabels) {
  std::vector<v1::Program> rows(2);
  rows[0].set_label("web@2");
  rows[0].set_name("web");
  rows[0].set_state(v1::PROGRAM_STATE_PARKED);
  rows[0].add_labels("app=web");
  rows[1].set_label("tor");
  rows[1].set_name("tor");
  rows[1].set_state(v1::PROGRAM_STATE_RUNNING);
  const auto count = [&](const std::string& filter) {
    const auto list = ProgramsOf(Node(), rows, filter, {});
    EXPECT_TRUE(list.ok()) << list.status();
    return list.ok() ? list->programs.size() : 99;
  };
  EXPECT_EQ(count(""), 2U);
  EXPECT_EQ(count("name=web"), 1U);
  EXPECT_EQ(count("program=web@*"), 1U);
  EXPECT_EQ(count("label=app=web"), 1U);
  EXPECT_EQ(count("label!=app=web"), 1U);
  EXPECT_EQ(count("state=parked,running"), 2U);
  EXPECT_EQ(count("node=db-01"), 0U);
  EXPECT_EQ(ProgramsOf(Node(), rows, "", {})->programs[0].program().label(), "tor");
}

TEST(LocalRows, TheNodeIsConnectedForItAnswers) {
  v1::FleetSummary summary;
  summary.set_slots(3);
  const auto list = NodesOf(Node(), summary, "node=web-01", {});
  ASSERT_TRUE(list.ok());
  ASSERT_EQ(list->nodes.size(), 1U);
  EXPECT_EQ(list->nodes[0].state(), v1::NODE_STATE_CONNECTED);
  EXPECT_EQ(list->nodes[0].mode(), "enforce");
  EXPECT_EQ(list->nodes[0].slots(), 3);
  EXPECT_THAT(NodesOf(Node(), summary, "node=web-02", {})->nodes, IsEmpty());
}

}  // namespace
}  // namespace procctl::cli
