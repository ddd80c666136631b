#include "node/uplink/slot_mirror.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>

#include "proto/support/row_digest.h"
#include "tests/node/uplink/fixtures.h"

namespace procctl::uplink {
namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;

std::vector<std::int64_t> Generations(const google::protobuf::RepeatedPtrField<v1::Slot>& slots) {
  std::vector<std::int64_t> generations;
  for (const v1::Slot& slot : slots) generations.push_back(slot.incarnation().generation());
  return generations;
}

using Numbers = std::vector<std::int64_t>;
using Labels = std::vector<std::string>;

Numbers GenerationsOf(const std::vector<RowKey>& keys) {
  Numbers generations;
  for (const RowKey& key : keys) {
    if (!key.program) generations.push_back(key.generation);
  }
  return generations;
}

Labels LabelsOf(const google::protobuf::RepeatedPtrField<v1::Program>& programs) {
  Labels labels;
  for (const v1::Program& program : programs) labels.push_back(program.label());
  return labels;
}

class SlotMirrorTest : public testing::Test {
 protected:
  void Has(const std::vector<v1::Slot>& slots) {
    mirror_.Apply(Snapshot(slots), At(nanoseconds(0)));
    (void)mirror_.BeginSnapshot();
  }
  SlotMirror mirror_;
};

TEST_F(SlotMirrorTest, IsReadyOnlyAfterAWholeSnapshot) {
  v1::LinkSlots piece = Snapshot({MakeSlot(1)});
  piece.set_last(false);
  mirror_.Apply(piece, At(nanoseconds(0)));
  EXPECT_FALSE(mirror_.ready());
  mirror_.Apply(Snapshot({MakeSlot(2)}), At(nanoseconds(0)));
  EXPECT_TRUE(mirror_.ready());
  EXPECT_EQ(mirror_.size(), 2u);
}

TEST_F(SlotMirrorTest, AChangeBetweenTwoPiecesOfASnapshotSurvivesIt) {
  v1::LinkSlots piece = Snapshot({MakeSlot(1), MakeSlot(2)});
  piece.set_last(false);
  mirror_.Apply(piece, At(nanoseconds(0)));
  mirror_.Apply(Change({MakeSlot(3)}, {1}), At(nanoseconds(0)));
  mirror_.Apply(Snapshot({}), At(nanoseconds(0)));
  EXPECT_EQ(GenerationsOf(mirror_.BeginSnapshot()), (Numbers{2, 3}));
}

TEST_F(SlotMirrorTest, ChangesOfOneRowBetweenTwoDeltasAreFolded) {
  Has({MakeSlot(1), MakeSlot(2)});
  const std::int64_t from = mirror_.revision();
  mirror_.Apply(Change({MakeSlot(1, v1::SLOT_STATE_QUIET)}), At(milliseconds(1)));
  mirror_.Apply(Change({MakeSlot(1, v1::SLOT_STATE_ALIVE)}), At(milliseconds(2)));
  mirror_.Apply(Change({MakeSlot(3)}), At(milliseconds(3)));
  mirror_.Apply(Change({}, {3}), At(milliseconds(4)));
  const v1::SlotDelta delta = mirror_.TakeDelta();
  EXPECT_EQ(delta.from_revision(), from);
  EXPECT_EQ(delta.to_revision(), from + 4);
  ASSERT_EQ(Generations(delta.upserts()), (Numbers{1}));
  EXPECT_EQ(delta.upserts(0).state(), v1::SLOT_STATE_ALIVE);
  ASSERT_EQ(delta.removes_size(), 1);
  EXPECT_EQ(delta.removes(0), 3);
  EXPECT_FALSE(mirror_.DeltaDueAt().has_value());
  EXPECT_EQ(mirror_.told_revision(), mirror_.revision());
}

TEST_F(SlotMirrorTest, AnOrdinaryChangeIsDueAHundredMillisecondsAfterTheFirst) {
  Has({MakeSlot(1)});
  mirror_.Apply(Change({MakeSlot(1, v1::SLOT_STATE_QUIET)}), At(milliseconds(10)));
  mirror_.Apply(Change({MakeSlot(2)}), At(milliseconds(90)));
  EXPECT_EQ(mirror_.DeltaDueAt(), At(milliseconds(110)));
}

TEST_F(SlotMirrorTest, FromHungUpAChangeIsDueAtOnceAndTakesTheOthersAlong) {
  for (const v1::SlotState state :
       {v1::SLOT_STATE_HUNG, v1::SLOT_STATE_TERM_SENT, v1::SLOT_STATE_KILL_SENT,
        v1::SLOT_STATE_UNKILLABLE, v1::SLOT_STATE_HELD}) {
    SlotMirror mirror;
    mirror.Apply(Snapshot({MakeSlot(1)}), At(nanoseconds(0)));
    (void)mirror.BeginSnapshot();
    mirror.Apply(Change({MakeSlot(2)}), At(milliseconds(10)));
    mirror.Apply(Change({MakeSlot(1, state)}), At(milliseconds(20)));
    EXPECT_EQ(mirror.DeltaDueAt(), At(milliseconds(20))) << v1::SlotState_Name(state);
    EXPECT_EQ(mirror.TakeDelta().upserts_size(), 2);
  }
}

TEST_F(SlotMirrorTest, TheEndOfARowOnTheLadderIsDueAtOnce) {
  Has({MakeSlot(1, v1::SLOT_STATE_KILL_SENT), MakeSlot(2)});
  mirror_.Apply(Change({}, {2}), At(milliseconds(10)));
  EXPECT_EQ(mirror_.DeltaDueAt(), At(milliseconds(110)));
  mirror_.Apply(Change({}, {1}), At(milliseconds(20)));
  EXPECT_EQ(mirror_.DeltaDueAt(), At(milliseconds(20)));
}

TEST_F(SlotMirrorTest, ChunksHoldEveryRowOnceAndStayUnder64KiB) {
  std::vector<v1::Slot> slots;
  for (int i = 1; i <= 3'000; ++i) slots.push_back(MakeSlot(i));
  mirror_.Apply(Snapshot(slots), At(nanoseconds(0)));
  const std::vector<RowKey> rows = mirror_.BeginSnapshot();
  std::size_t next = 0;
  std::int64_t expected = 1;
  int chunks = 0;
  while (next < rows.size()) {
    v1::SnapshotChunk chunk;
    next = mirror_.FillChunk(rows, next, &chunk);
    EXPECT_LE(chunk.ByteSizeLong(), 64u * 1024);
    for (const v1::Slot& slot : chunk.slots()) {
      EXPECT_EQ(slot.incarnation().generation(), expected++);
    }
    ++chunks;
  }
  EXPECT_EQ(expected, 3'001);
  EXPECT_GT(chunks, 3);
}

TEST_F(SlotMirrorTest, WhatChangesWhileASnapshotGoesOutIsInTheNextDelta) {
  mirror_.Apply(Snapshot({MakeSlot(1), MakeSlot(2)}), At(nanoseconds(0)));
  const std::vector<RowKey> rows = mirror_.BeginSnapshot();
  mirror_.Apply(Change({MakeSlot(3)}, {2}), At(milliseconds(1)));
  v1::SnapshotChunk chunk;
  EXPECT_EQ(mirror_.FillChunk(rows, 0, &chunk), rows.size());
  EXPECT_EQ(Generations(chunk.slots()), (Numbers{1}));
  const v1::SlotDelta delta = mirror_.TakeDelta();
  EXPECT_EQ(Generations(delta.upserts()), (Numbers{3}));
  EXPECT_EQ(delta.removes(0), 2);
}

TEST_F(SlotMirrorTest, ALargeDeltaIsCutBetweenRevisionsAndEndsAtTheLast) {
  Has({});
  for (int i = 1; i <= 2'000; ++i) mirror_.Apply(Change({MakeSlot(i)}), At(milliseconds(1)));
  std::int64_t held = mirror_.told_revision();
  int rows = 0;
  int deltas = 0;
  while (mirror_.DeltaDueAt().has_value()) {
    const v1::SlotDelta delta = mirror_.TakeDelta();
    EXPECT_EQ(delta.from_revision(), held);
    EXPECT_GT(delta.to_revision(), held);
    EXPECT_LT(delta.ByteSizeLong(), 70u * 1024);
    held = delta.to_revision();
    rows += delta.upserts_size();
    ++deltas;
  }
  EXPECT_EQ(rows, 2'000);
  EXPECT_GT(deltas, 2);
  EXPECT_EQ(held, mirror_.revision());
}

TEST_F(SlotMirrorTest, ANewSnapshotOfTheGuardianTellsOnlyWhatDiffers) {
  Has({MakeSlot(1), MakeSlot(2), MakeSlot(3)});
  mirror_.Apply(Snapshot({MakeSlot(1), MakeSlot(2, v1::SLOT_STATE_QUIET), MakeSlot(4)}),
                At(milliseconds(1)));
  const v1::SlotDelta delta = mirror_.TakeDelta();
  EXPECT_EQ(Generations(delta.upserts()), (Numbers{2, 4}));
  ASSERT_EQ(delta.removes_size(), 1);
  EXPECT_EQ(delta.removes(0), 3);
}

TEST_F(SlotMirrorTest, ASnapshotOfManyChangesOwesTheControllerASnapshot) {
  Has({MakeSlot(1)});
  std::vector<v1::Slot> slots;
  for (int i = 1; i <= kMaxSnapshotChanges + 2; ++i) slots.push_back(MakeSlot(i));
  mirror_.Apply(Snapshot(slots), At(milliseconds(1)));
  EXPECT_TRUE(mirror_.overflowed());
  EXPECT_FALSE(mirror_.DeltaDueAt().has_value());
  (void)mirror_.BeginSnapshot();
  EXPECT_FALSE(mirror_.overflowed());
}

TEST_F(SlotMirrorTest, WithoutAListenerNothingIsTracked) {
  Has({MakeSlot(1)});
  mirror_.StopTracking();
  mirror_.Apply(Change({MakeSlot(1, v1::SLOT_STATE_HUNG)}), At(milliseconds(1)));
  EXPECT_FALSE(mirror_.DeltaDueAt().has_value());
}

TEST_F(SlotMirrorTest, ARowWithoutAGenerationIsLeftOutAndCounted) {
  EXPECT_EQ(mirror_.Apply(Snapshot({MakeSlot(0), MakeSlot(5)}), At(nanoseconds(0))), 1);
  EXPECT_EQ(mirror_.size(), 1u);
}

// ---- Programs

TEST_F(SlotMirrorTest, ProgramsComeAndGoByLabelWithinTheSameRevisions) {
  v1::LinkSlots snapshot = Snapshot({MakeSlot(7)});
  *snapshot.add_program_upserts() = MakeProgram("web@1");
  *snapshot.add_program_upserts() = MakeProgram("web@2");
  EXPECT_EQ(mirror_.Apply(snapshot, At(nanoseconds(0))), 0);
  const std::vector<RowKey> rows = mirror_.BeginSnapshot();
  v1::SnapshotChunk chunk;
  ASSERT_EQ(mirror_.FillChunk(rows, 0, &chunk), rows.size());
  EXPECT_EQ(Generations(chunk.slots()), (Numbers{7}));
  EXPECT_EQ(LabelsOf(chunk.programs()), (Labels{"web@1", "web@2"}));

  const std::int64_t from = mirror_.revision();
  v1::LinkSlots change = Change({MakeSlot(8)}, {7});
  *change.add_program_upserts() = MakeProgram("web@1", v1::PROGRAM_STATE_STARTING);
  *change.add_program_upserts() = MakeProgram("web@1", v1::PROGRAM_STATE_BACKOFF);
  change.add_program_removes("web@2");
  mirror_.Apply(change, At(milliseconds(1)));
  EXPECT_EQ(mirror_.DeltaDueAt(), At(milliseconds(101)));
  const v1::SlotDelta delta = mirror_.TakeDelta();
  EXPECT_EQ(delta.from_revision(), from);
  EXPECT_EQ(delta.to_revision(), from + 1) << "one message of the guardian is one revision";
  EXPECT_EQ(Generations(delta.upserts()), (Numbers{8}));
  EXPECT_EQ(delta.removes(0), 7);
  ASSERT_EQ(LabelsOf(delta.program_upserts()), (Labels{"web@1"}));
  EXPECT_EQ(delta.program_upserts(0).state(), v1::PROGRAM_STATE_BACKOFF);
  ASSERT_EQ(delta.program_removes_size(), 1);
  EXPECT_EQ(delta.program_removes(0), "web@2");
}

TEST_F(SlotMirrorTest, ALabelThatChangesItsRowIsOneRow) {
  v1::LinkSlots snapshot = Snapshot({});
  *snapshot.add_program_upserts() = MakeProgram("web", v1::PROGRAM_STATE_DONE);
  mirror_.Apply(snapshot, At(nanoseconds(0)));
  (void)mirror_.BeginSnapshot();
  // The program of that label was removed from the configuration and another one was added.
  v1::LinkSlots gone;
  gone.add_program_removes("web");
  mirror_.Apply(gone, At(milliseconds(1)));
  v1::LinkSlots added;
  *added.add_program_upserts() = MakeProgram("web", v1::PROGRAM_STATE_RUNNING);
  added.mutable_program_upserts(0)->set_starts(1);
  mirror_.Apply(added, At(milliseconds(2)));
  const v1::SlotDelta delta = mirror_.TakeDelta();
  EXPECT_EQ(delta.program_removes_size(), 0);
  ASSERT_EQ(delta.program_upserts_size(), 1);
  EXPECT_EQ(delta.program_upserts(0).starts(), 1);
  EXPECT_EQ(mirror_.size(), 1U);
}

TEST_F(SlotMirrorTest, AProgramChangedBetweenTwoPiecesOfASnapshotSurvivesIt) {
  v1::LinkSlots piece = Snapshot({});
  piece.set_last(false);
  *piece.add_program_upserts() = MakeProgram("a");
  *piece.add_program_upserts() = MakeProgram("b");
  mirror_.Apply(piece, At(nanoseconds(0)));
  v1::LinkSlots change;
  *change.add_program_upserts() = MakeProgram("c");
  change.add_program_removes("a");
  mirror_.Apply(change, At(nanoseconds(0)));
  mirror_.Apply(Snapshot({}), At(nanoseconds(0)));
  const std::vector<RowKey> rows = mirror_.BeginSnapshot();
  v1::SnapshotChunk chunk;
  (void)mirror_.FillChunk(rows, 0, &chunk);
  EXPECT_EQ(LabelsOf(chunk.programs()), (Labels{"b", "c"}));
}

TEST_F(SlotMirrorTest, AParkedProgramIsToldAtOnce) {
  v1::LinkSlots snapshot = Snapshot({});
  *snapshot.add_program_upserts() = MakeProgram("web");
  mirror_.Apply(snapshot, At(nanoseconds(0)));
  (void)mirror_.BeginSnapshot();
  v1::LinkSlots change;
  *change.add_program_upserts() = MakeProgram("web", v1::PROGRAM_STATE_PARKED);
  mirror_.Apply(change, At(milliseconds(20)));
  EXPECT_EQ(mirror_.DeltaDueAt(), At(milliseconds(20)));
}

TEST_F(SlotMirrorTest, AThousandProgramsGoOutInPiecesBehindTheSlots) {
  v1::LinkSlots snapshot = Snapshot({MakeSlot(1), MakeSlot(2)});
  Labels expected;
  for (int i = 0; i < 1'000; ++i) {
    v1::Program program = MakeProgram("job@" + std::to_string(1'000 + i));
    program.set_message(std::string(300, 'm'));
    expected.push_back(program.label());
    *snapshot.add_program_upserts() = std::move(program);
  }
  mirror_.Apply(snapshot, At(nanoseconds(0)));
  const std::vector<RowKey> rows = mirror_.BeginSnapshot();
  Labels labels;
  int slots = 0;
  int chunks = 0;
  for (std::size_t next = 0; next < rows.size(); ++chunks) {
    v1::SnapshotChunk chunk;
    next = mirror_.FillChunk(rows, next, &chunk);
    EXPECT_LE(chunk.ByteSizeLong(), 64U * 1024);
    EXPECT_EQ(chunk.slots_size(), chunks == 0 ? 2 : 0);
    slots += chunk.slots_size();
    for (const v1::Program& program : chunk.programs()) labels.push_back(program.label());
  }
  EXPECT_EQ(slots, 2);
  EXPECT_EQ(labels, expected);
  EXPECT_GT(chunks, 4);
}

TEST_F(SlotMirrorTest, AFewLargeRowsOweTheControllerASnapshotToo) {
  Has({});
  v1::LinkSlots snapshot = Snapshot({});
  for (int i = 0; i < 100; ++i) {
    v1::Program program = MakeProgram("job@" + std::to_string(i));
    program.set_message(std::string(1'000, 'm'));
    *snapshot.add_program_upserts() = std::move(program);
  }
  mirror_.Apply(snapshot, At(milliseconds(1)));
  EXPECT_TRUE(mirror_.overflowed()) << "a delta of one revision would be over 64 KiB";
}

TEST_F(SlotMirrorTest, AProgramWithoutALabelIsLeftOutAndCounted) {
  v1::LinkSlots snapshot = Snapshot({});
  *snapshot.add_program_upserts() = MakeProgram("");
  *snapshot.add_program_upserts() = MakeProgram("web");
  EXPECT_EQ(mirror_.Apply(snapshot, At(nanoseconds(0))), 1);
  EXPECT_EQ(mirror_.size(), 1U);
}

// ---- Digest

std::uint64_t DigestOf(const std::vector<v1::Slot>& slots,
                       const std::vector<v1::Program>& programs = {}) {
  std::uint64_t sum = 0;
  for (const v1::Slot& slot : slots) sum += RowDigest(slot);
  for (const v1::Program& program : programs) sum += RowDigest(program);
  return sum;
}

TEST_F(SlotMirrorTest, TheDigestIsOfWhatTheControllerWasToldAndAbsentWhileAChangeWaits) {
  mirror_.Apply(Snapshot({MakeSlot(1), MakeSlot(2)}), At(nanoseconds(0)));
  EXPECT_EQ(mirror_.ToldDigest(), std::nullopt) << "nobody was told anything";
  (void)mirror_.BeginSnapshot();
  EXPECT_EQ(mirror_.ToldDigest(), DigestOf({MakeSlot(1), MakeSlot(2)}));
  v1::LinkSlots change = Change({MakeSlot(2, v1::SLOT_STATE_HUNG), MakeSlot(3)}, {1});
  *change.add_program_upserts() = MakeProgram("web");
  mirror_.Apply(change, At(nanoseconds(0)));
  EXPECT_EQ(mirror_.ToldDigest(), std::nullopt);
  (void)mirror_.TakeDelta();
  EXPECT_EQ(mirror_.ToldDigest(),
            DigestOf({MakeSlot(2, v1::SLOT_STATE_HUNG), MakeSlot(3)}, {MakeProgram("web")}));
  v1::LinkSlots gone = Change({}, {2, 3});
  gone.add_program_removes("web");
  mirror_.Apply(gone, At(nanoseconds(0)));
  (void)mirror_.TakeDelta();
  EXPECT_EQ(mirror_.ToldDigest(), 0U);
  mirror_.StopTracking();
  EXPECT_EQ(mirror_.ToldDigest(), std::nullopt);
}

TEST_F(SlotMirrorTest, TheDigestFollowsRandomChangesAndSnapshotsOfTheGuardian) {
  std::mt19937_64 random(20'260'802);
  std::map<std::int64_t, v1::Slot> rows;
  mirror_.Apply(Snapshot({}), At(nanoseconds(0)));
  (void)mirror_.BeginSnapshot();
  for (int step = 0; step < 500; ++step) {
    std::vector<v1::Slot> upserts;
    std::vector<std::int64_t> removes;
    for (std::uint64_t i = random() % 4; i > 0; --i) {
      const auto generation = static_cast<std::int64_t>(1 + random() % 20);
      if (random() % 3 == 0) {
        rows.erase(generation);
        removes.push_back(generation);
        continue;
      }
      if (std::count(removes.begin(), removes.end(), generation) > 0) continue;
      rows[generation] = MakeSlot(generation, static_cast<v1::SlotState>(1 + random() % 6));
      upserts.push_back(rows[generation]);
    }
    if (random() % 10 == 0) {
      upserts.clear();
      for (const auto& [generation, row] : rows) upserts.push_back(row);
      mirror_.Apply(Snapshot(upserts), At(nanoseconds(0)));
    } else {
      mirror_.Apply(Change(upserts, removes), At(nanoseconds(0)));
    }
    while (mirror_.DeltaDueAt().has_value()) (void)mirror_.TakeDelta();
    std::uint64_t sum = 0;
    for (const auto& [generation, row] : rows) sum += RowDigest(row);
    ASSERT_EQ(mirror_.ToldDigest(), sum) << "step " << step;
  }
}

}  // namespace
}  // namespace procctl::uplink
