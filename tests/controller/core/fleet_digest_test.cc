// The digest of a node's rows in FleetView, kept row by row, and what a difference leads to.
#include <gtest/gtest.h>

#include <map>
#include <random>

#include "controller/core/fleet_view.h"
#include "proto/support/row_digest.h"

namespace procctl::controller {
namespace {

using std::chrono::seconds;
using Act = DigestWatch::Act;

v1::Slot MakeSlot(std::int64_t generation, const std::string& label, int state = 1) {
  v1::Slot slot;
  slot.set_label(label);
  slot.set_state(static_cast<v1::SlotState>(state));
  slot.mutable_incarnation()->set_generation(generation);
  return slot;
}

v1::Program MakeProgram(const std::string& label, int state) {
  v1::Program program;
  program.set_label(label);
  program.set_state(static_cast<v1::ProgramState>(state));
  return program;
}

class FleetDigestTest : public ::testing::Test {
 protected:
  FleetDigestTest() { view_.BeginSession("a", 1, {}, now_, Observed(0), WallTime()); }
  void Snapshot(const std::vector<v1::Slot>& slots, std::int64_t revision) {
    v1::SnapshotChunk piece;
    piece.set_snapshot(++snapshots_);
    piece.set_last(true);
    piece.set_revision(revision);
    for (const v1::Slot& slot : slots) *piece.add_slots() = slot;
    view_.ApplySnapshot("a", 1, piece, now_);
  }
  Act Check(std::int64_t revision, std::uint64_t digest) {
    return view_.CheckDigest("a", 1, revision, digest);
  }

  MonoTime now_{seconds(1000)};
  FleetView view_{now_};
  int snapshots_ = 0;
};

TEST_F(FleetDigestTest, NothingIsComparedBeforeTheSnapshotAndAtOtherRevisions) {
  EXPECT_EQ(Check(4, 1), Act::kNone);
  Snapshot({MakeSlot(1, "x")}, 4);
  EXPECT_EQ(Check(3, 1), Act::kNone);
  EXPECT_EQ(Check(5, 1), Act::kNone);
  EXPECT_EQ(view_.CheckDigest("a", 9, 4, 1), Act::kNone) << "of another session";
  EXPECT_EQ(Check(4, RowDigest(MakeSlot(1, "x"))), Act::kNone);
  EXPECT_EQ(Check(4, 1), Act::kResync);
}

TEST_F(FleetDigestTest, ADifferenceIsMendedByOneSnapshot) {
  Snapshot({MakeSlot(1, "x")}, 4);
  const std::uint64_t right = RowDigest(MakeSlot(1, "x")) + RowDigest(MakeSlot(2, "y"));
  EXPECT_EQ(Check(4, right), Act::kResync);
  EXPECT_EQ(Check(4, right), Act::kNone) << "it is on its way";
  v1::SlotDelta delta;
  delta.set_from_revision(4);
  EXPECT_EQ(view_.ApplyDelta("a", 1, delta, now_), FleetView::Applied::kIgnored);
  Snapshot({MakeSlot(1, "x"), MakeSlot(2, "y")}, 5);
  EXPECT_EQ(Check(5, right), Act::kNone);
  EXPECT_EQ(Check(5, right + 1), Act::kResync) << "it was trusted again";
}

TEST_F(FleetDigestTest, ADifferenceThatStaysIsToldOnceAndAskedForOnce) {
  Snapshot({MakeSlot(1, "x")}, 4);
  EXPECT_EQ(Check(4, 7), Act::kResync);
  Snapshot({MakeSlot(1, "x")}, 4);
  EXPECT_EQ(Check(4, 7), Act::kWarn);
  for (int i = 0; i < 10; ++i) EXPECT_EQ(Check(4, 7), Act::kNone);
  view_.BeginSession("a", 1, {}, now_, Observed(0), WallTime());
  Snapshot({MakeSlot(1, "x")}, 4);
  EXPECT_EQ(Check(4, 7), Act::kResync) << "another session, another try";
}

TEST_F(FleetDigestTest, ItIsTheSumOfTheRowsWhateverCameAndWent) {
  const auto seed = std::random_device()();
  SCOPED_TRACE(seed);
  std::mt19937 random(seed);
  std::map<std::string, v1::Slot> slots;
  std::map<std::string, v1::Program> programs;
  Snapshot({}, 0);
  std::int64_t revision = 0;
  std::int64_t generation = 0;
  for (int step = 0; step < 300; ++step) {
    v1::SlotDelta delta;
    delta.set_from_revision(revision);
    delta.set_to_revision(++revision);
    const std::string label(1, static_cast<char>('a' + random() % 8));
    switch (random() % 5) {
      case 0:
        if (slots.count(label) != 0) {
          delta.add_removes(slots[label].incarnation().generation());
          slots.erase(label);
        }
        break;
      case 1:  // the same slot in another state
        if (slots.count(label) != 0) {
          slots[label].set_state(static_cast<v1::SlotState>(1 + random() % 7));
          *delta.add_upserts() = slots[label];
        }
        break;
      case 2:  // a new incarnation, before the old one's removal is told
        slots[label] = MakeSlot(++generation, label);
        *delta.add_upserts() = slots[label];
        break;
      case 3:
        programs[label] = MakeProgram(label, static_cast<int>(1 + random() % 9));
        *delta.add_program_upserts() = programs[label];
        break;
      default:
        programs.erase(label);
        delta.add_program_removes(label);
        break;
    }
    ASSERT_EQ(view_.ApplyDelta("a", 1, delta, now_), FleetView::Applied::kYes);
    std::uint64_t sum = 0;
    for (const auto& [name, slot] : slots) sum += RowDigest(slot);
    for (const auto& [name, program] : programs) sum += RowDigest(program);
    // The first wrong one is kResync: kNone means that it agrees.
    ASSERT_EQ(Check(revision, sum), Act::kNone) << "step " << step;
    if (step % 50 == 49) {
      ASSERT_EQ(Check(revision, sum + 1), Act::kResync);
      v1::SnapshotChunk piece;
      piece.set_snapshot(step);
      piece.set_last(true);
      piece.set_revision(revision);
      for (const auto& [name, slot] : slots) *piece.add_slots() = slot;
      for (const auto& [name, program] : programs) *piece.add_programs() = program;
      view_.ApplySnapshot("a", 1, piece, now_);
    }
  }
}

}  // namespace
}  // namespace procctl::controller
