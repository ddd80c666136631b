#include "cli/slot_changes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/names.h"
#include "tests/cli/rows.h"

namespace procctl::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using testing::Row;

v1::FleetSlot Slot(const std::string& label, std::int64_t generation, v1::SlotState state) {
  v1::FleetSlot row = Row("web-01", label, state, 42);
  row.mutable_slot()->mutable_incarnation()->set_generation(generation);
  return row;
}

class SlotChangesTest : public ::testing::Test {
 protected:
  // "label from>to" of what changes a state; with '*' what was there at the beginning.
  std::vector<std::string> Take(const v1::WatchResponse& message) {
    std::vector<std::string> told;
    for (const SlotChange& change : changes_.Take(message)) {
      if (!change.ChangesState()) continue;
      if (change.what == SlotChange::What::kNode) {
        told.push_back(change.node + " " + Word(change.node_to));
      } else if (change.what == SlotChange::What::kSlot) {
        told.push_back(change.label + " " + (change.from ? Word(*change.from) : "") + ">" +
                       (change.to ? Word(*change.to) : "") + (change.initial ? "*" : ""));
      }
    }
    return told;
  }
  static v1::WatchResponse Piece(const std::vector<v1::FleetSlot>& rows) {
    v1::WatchResponse message;
    for (const auto& row : rows) *message.mutable_snapshot()->add_upserts() = row;
    return message;
  }
  static v1::WatchResponse Changes(const std::vector<v1::FleetSlot>& rows,
                                   const std::vector<std::int64_t>& removes = {}) {
    v1::WatchResponse message;
    for (const auto& row : rows) *message.mutable_changes()->add_upserts() = row;
    for (const std::int64_t generation : removes) {
      v1::WatchRowKey* key = message.mutable_changes()->add_removes();
      key->set_node("web-01");
      key->set_generation(generation);
    }
    return message;
  }
  static v1::WatchResponse End() {
    v1::WatchResponse message;
    message.mutable_snapshot_end();
    return message;
  }
  static v1::WatchResponse Resync() {
    v1::WatchResponse message;
    message.mutable_resync()->set_reason("too slow");
    return message;
  }

  SlotChanges changes_;
};

constexpr auto kAlive = v1::SLOT_STATE_ALIVE;
constexpr auto kHung = v1::SLOT_STATE_HUNG;

TEST_F(SlotChangesTest, TellsFromWhatToWhat) {
  EXPECT_THAT(Take(Piece({Slot("a", 1, kAlive)})), ElementsAre("a >alive*"));
  EXPECT_THAT(Take(End()), IsEmpty());
  EXPECT_THAT(Take(Changes({Slot("a", 1, kHung)})), ElementsAre("a alive>hung"));
  EXPECT_THAT(Take(Changes({Slot("a", 1, kHung)})), IsEmpty()) << "sent again";
  EXPECT_THAT(Take(Changes({Slot("b", 2, kAlive)}, {1})), ElementsAre("a hung>", "b >alive"));
  EXPECT_THAT(Take(Changes({}, {1})), IsEmpty()) << "of what nobody has";
}

TEST_F(SlotChangesTest, AfterANewSnapshotOnlyWhatDiffersIsNews) {
  Take(Piece({Slot("a", 1, kAlive), Slot("b", 2, kAlive), Slot("c", 3, kAlive)}));
  Take(End());
  Take(Resync());
  EXPECT_THAT(Take(Piece({Slot("a", 1, kAlive), Slot("b", 2, kHung)})),
              ElementsAre("b alive>hung"));
  EXPECT_THAT(Take(Changes({Slot("d", 4, kAlive)})), ElementsAre("d >alive"))
      << "changes may come between its pieces";
  EXPECT_THAT(Take(End()), ElementsAre("c alive>"));
}

TEST_F(SlotChangesTest, ASnapshotThatBeginsAgainForgetsItsFirstPart) {
  Take(Piece({Slot("a", 1, kAlive)}));
  Take(Resync());
  EXPECT_THAT(Take(End()), ElementsAre("a alive>"));
}

TEST_F(SlotChangesTest, AnEmptySnapshotIsOneToo) {
  EXPECT_THAT(Take(End()), IsEmpty());
  EXPECT_THAT(Take(Changes({Slot("a", 1, kAlive)})), ElementsAre("a >alive"));
}

TEST_F(SlotChangesTest, ANodesStateIsTold) {
  Take(Piece({Slot("a", 1, kAlive)}));
  Take(End());
  v1::WatchResponse message;
  v1::Node* node = message.mutable_changes()->add_nodes();
  node->set_id("web-01");
  node->set_state(v1::NODE_STATE_CONNECTED);
  EXPECT_THAT(Take(message), IsEmpty()) << "as its rows said";
  node->set_state(v1::NODE_STATE_LOST);
  EXPECT_THAT(Take(message), ElementsAre("web-01 lost"));
}

}  // namespace
}  // namespace procctl::cli
