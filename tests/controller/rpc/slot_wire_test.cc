#include "controller/rpc/slot_wire.h"

#include <gtest/gtest.h>

#include "controller/rpc/fleet_messages.h"
#include "procctl/v1/fleet_service.pb.h"

namespace procctl::controller {
namespace {

using std::chrono::seconds;

v1::Slot MakeSlot(std::int64_t generation, const std::string& label) {
  v1::Slot slot;
  slot.set_label(label);
  slot.set_name("encoder");
  slot.set_state(v1::SLOT_STATE_HUNG);
  slot.set_program("encoder@1");
  slot.mutable_incarnation()->set_generation(generation);
  slot.mutable_timeout()->set_seconds(5);
  return slot;
}

class SlotWireTest : public ::testing::Test {
 protected:
  static constexpr auto kReported = seconds(100);
  SlotWireTest() {
    node_.id = "web-01";
    node_.state = NodeState::kConnected;
    node_.last_heard = MonoTime(seconds(170));
    other_ = node_;
    other_.id = "web-02";
    other_.state = NodeState::kLost;
  }
  v1::FleetSlot Expected(const NodeRow& node, const SlotRow& row) const {
    v1::FleetSlot slot;
    slot.set_node(node.id);
    *slot.mutable_slot() = row.Unpack();
    slot.set_node_state(static_cast<v1::NodeState>(node.state));
    slot.mutable_age()->set_seconds(10);
    slot.mutable_reported()->set_seconds(80);
    slot.mutable_known_at()->set_seconds(990);
    slot.set_freshness(v1::FRESHNESS_FRESH);
    if (node.state == NodeState::kConnected) return slot;
    slot.set_freshness(node.state == NodeState::kLost ? v1::FRESHNESS_UNKNOWN
                                                      : v1::FRESHNESS_STALE);
    slot.mutable_slot()->set_state(v1::SLOT_STATE_STALE);
    return slot;
  }

  MonoTime now_{seconds(180)};
  WallTime wall_now_{seconds(1000)};
  NodeRow node_;
  NodeRow other_;
};

TEST_F(SlotWireTest, RowsReadAsTheMessageThatTheyStandFor) {
  const SlotRow first(MakeSlot(1, "encoder"), MonoTime(kReported));
  const SlotRow second(MakeSlot(2, "encoder.2"), MonoTime(kReported));
  std::string bytes;
  SlotWire wire(now_, wall_now_);
  v1::ListSlotsResponse expected;
  for (const NodeRow* node : {&node_, &other_, &node_}) {
    for (const SlotRow* row : {&first, &second}) {
      wire.AppendField(v1::ListSlotsResponse::kSlotsFieldNumber, *node, *row, &bytes);
      *expected.add_slots() = Expected(*node, *row);
    }
  }
  v1::ListSlotsResponse read;
  ASSERT_TRUE(read.ParseFromString(bytes));
  EXPECT_EQ(read.DebugString(), expected.DebugString());
}

TEST_F(SlotWireTest, OfASuspectNodeRowsAreStale) {
  node_.state = NodeState::kSuspect;
  const SlotRow row(MakeSlot(1, "encoder"), MonoTime(kReported));
  std::string bytes;
  SlotWire(now_, wall_now_).Append(node_, row, &bytes);
  v1::FleetSlot read;
  ASSERT_TRUE(read.ParseFromString(bytes));
  EXPECT_EQ(read.DebugString(), Expected(node_, row).DebugString());
}

TEST_F(SlotWireTest, AClockThatStandsStillMakesNoNegativeAge) {
  const SlotRow row(MakeSlot(1, "encoder"), MonoTime(seconds(500)));
  std::string bytes;
  AppendFleetSlot(node_, row, MonoTime(seconds(1)), &bytes);
  v1::FleetSlot read;
  ASSERT_TRUE(read.ParseFromString(bytes));
  EXPECT_EQ(read.age().seconds(), 0);
  EXPECT_EQ(read.reported().seconds(), 0);
  EXPECT_EQ(read.reported().nanos(), 0);
}

}  // namespace
}  // namespace procctl::controller
