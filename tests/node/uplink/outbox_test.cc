#include "node/uplink/outbox.h"

#include <gtest/gtest.h>

#include "tests/node/uplink/fixtures.h"

namespace procctl::uplink {
namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;
using std::chrono::seconds;

class OutboxTest : public testing::Test {
 protected:
  void Connect(const v1::Welcome& welcome) {
    outbox_.emplace(welcome, events_.newest(), RecordOrigin{kNode, kBoot}, At(now_), 0.5);
  }
  // "events 4-5", "snapshot 1 last", "delta 2", "heartbeat", or "" for nothing.
  std::string Next() {
    const auto request = outbox_->Next({At(now_), {}, 0.5, 7}, events_, &slots_);
    if (!request.has_value()) return "";
    switch (request->message_case()) {
      case v1::SessionRequest::kEvents: {
        const auto& events = request->events().events();
        return "events " + std::to_string(events.begin()->id().seq()) + "-" +
               std::to_string(events.rbegin()->id().seq());
      }
      case v1::SessionRequest::kSnapshotChunk:
        return "snapshot " + std::to_string(request->snapshot_chunk().snapshot()) +
               (request->snapshot_chunk().last() ? " last" : "");
      case v1::SessionRequest::kDelta:
        return "delta " + std::to_string(request->delta().to_revision());
      case v1::SessionRequest::kHeartbeat:
        EXPECT_EQ(request->heartbeat().events_waiting(), 7);
        return "heartbeat";
      default:
        return "?";
    }
  }
  void Advance(nanoseconds by) { now_ += by; }

  nanoseconds now_{0};
  EventWindow events_{100};
  SlotMirror slots_;
  std::optional<Outbox> outbox_;
};

TEST_F(OutboxTest, ReplaysEventsThenSendsASnapshotThenIsSilent) {
  for (int i = 1; i <= 5; ++i) events_.Add(MakeEvent(1, i));
  slots_.Apply(Snapshot({MakeSlot(1)}), At(now_));
  Connect(MakeWelcome(1, {{1, 3}}));
  EXPECT_EQ(Next(), "events 4-5");
  EXPECT_EQ(Next(), "snapshot 1 last");
  EXPECT_EQ(Next(), "");
}

TEST_F(OutboxTest, AnEmptyTableIsASnapshotToo) {
  slots_.Apply(Snapshot({}), At(now_));
  Connect(MakeWelcome(1));
  EXPECT_EQ(Next(), "snapshot 1 last");
}

TEST_F(OutboxTest, ProgramsGoOutWithTheSlotsInSnapshotsAndDeltas) {
  v1::LinkSlots rows = Snapshot({MakeSlot(1)});
  *rows.add_program_upserts() = MakeProgram("web");
  slots_.Apply(rows, At(now_));
  Connect(MakeWelcome(1));
  const auto next = [&] { return outbox_->Next({At(now_), {}, 0.5, 0}, events_, &slots_); };
  const auto snapshot = next();
  ASSERT_TRUE(snapshot.has_value() && snapshot->snapshot_chunk().last());
  ASSERT_EQ(snapshot->snapshot_chunk().programs_size(), 1);
  EXPECT_EQ(snapshot->snapshot_chunk().programs(0).label(), "web");
  v1::LinkSlots gone;
  gone.add_program_removes("web");
  slots_.Apply(gone, At(now_));
  EXPECT_EQ(Next(), "") << "it can wait for others";
  Advance(kDeltaDelay);
  const auto delta = next();
  ASSERT_TRUE(delta.has_value() && delta->has_delta());
  EXPECT_EQ(delta->delta().program_removes_size(), 1);
  EXPECT_EQ(delta->delta().from_revision(), snapshot->snapshot_chunk().revision());
}

TEST_F(OutboxTest, ASnapshotOfAThousandProgramsLetsVerdictsThroughAndFitsItsPieces) {
  v1::LinkSlots rows = Snapshot({});
  for (int i = 0; i < 1'000; ++i) {
    v1::Program program = MakeProgram("job@" + std::to_string(i));
    program.set_message(std::string(300, 'm'));
    *rows.add_program_upserts() = std::move(program);
  }
  slots_.Apply(rows, At(now_));
  Connect(MakeWelcome(1));
  int programs = 0;
  int turns_of_the_verdict = 0;
  for (int turn = 1; programs < 1'000; ++turn) {
    if (turn == 2) events_.Add(MakeEvent(1, 1));
    const auto request = outbox_->Next({At(now_), {}, 0.5, 0}, events_, &slots_);
    ASSERT_TRUE(request.has_value());
    EXPECT_LE(request->ByteSizeLong(), 64U * 1024);
    if (request->has_events()) turns_of_the_verdict = turn;
    programs += request->snapshot_chunk().programs_size();
  }
  EXPECT_GE(turns_of_the_verdict, 2);
  EXPECT_LE(turns_of_the_verdict, 3);
}

TEST_F(OutboxTest, WaitsForTheGuardiansRows) {
  Connect(MakeWelcome(1));
  EXPECT_EQ(Next(), "");
  slots_.Apply(Snapshot({MakeSlot(1)}), At(now_));
  EXPECT_EQ(Next(), "snapshot 1 last");
}

TEST_F(OutboxTest, DeltasWaitForTheirTimeAndUrgentOnesDoNot) {
  slots_.Apply(Snapshot({MakeSlot(1)}), At(now_));
  Connect(MakeWelcome(1));
  EXPECT_EQ(Next(), "snapshot 1 last");
  slots_.Apply(Change({MakeSlot(1, v1::SLOT_STATE_QUIET)}), At(now_));
  EXPECT_EQ(Next(), "");
  EXPECT_EQ(outbox_->WakeAt(events_, slots_), At(kDeltaDelay));
  Advance(kDeltaDelay - nanoseconds(1));
  EXPECT_EQ(Next(), "");
  Advance(nanoseconds(1));
  EXPECT_EQ(Next(), "delta 2");
  slots_.Apply(Change({MakeSlot(1, v1::SLOT_STATE_HUNG)}), At(now_));
  EXPECT_EQ(Next(), "delta 3");
}

TEST_F(OutboxTest, AVerdictDoesNotWaitForALargeSnapshot) {
  std::vector<v1::Slot> slots;
  for (int i = 1; i <= 3'000; ++i) slots.push_back(MakeSlot(i));
  slots_.Apply(Snapshot(slots), At(now_));
  Connect(MakeWelcome(1));
  EXPECT_EQ(Next(), "snapshot 1");
  events_.Add(MakeEvent(1, 1));
  EXPECT_EQ(Next(), "events 1-1");
  EXPECT_EQ(Next(), "snapshot 1");
}

TEST_F(OutboxTest, AStormOfEventsDoesNotHideTheSlots) {
  slots_.Apply(Snapshot({MakeSlot(1)}), At(now_));
  Connect(MakeWelcome(1));
  events_.Add(MakeEvent(1, 1));
  const std::string first = Next();
  events_.Add(MakeEvent(1, 2));
  const std::string second = Next();
  EXPECT_TRUE(first == "snapshot 1 last" || second == "snapshot 1 last") << first << second;
}

TEST_F(OutboxTest, ARequestedSnapshotHasAHigherNumber) {
  slots_.Apply(Snapshot({MakeSlot(1)}), At(now_));
  Connect(MakeWelcome(1));
  EXPECT_EQ(Next(), "snapshot 1 last");
  outbox_->RequestSnapshot();
  EXPECT_EQ(Next(), "snapshot 2 last");
}

TEST_F(OutboxTest, AHeartbeatIsDueOnlyAfterSilence) {
  slots_.Apply(Snapshot({MakeSlot(1)}), At(now_));
  Connect(MakeWelcome(1));
  Advance(seconds(6));
  EXPECT_EQ(Next(), "snapshot 1 last");
  Advance(seconds(10) - nanoseconds(1));
  EXPECT_EQ(Next(), "");
  Advance(nanoseconds(1));
  EXPECT_EQ(Next(), "heartbeat");
  EXPECT_EQ(outbox_->WakeAt(events_, slots_), At(now_ + seconds(10)));
}

TEST_F(OutboxTest, HeartbeatsAreJitteredByATenth) {
  Outbox early(MakeWelcome(1), {}, {kNode, kBoot}, At(now_), 0.0);
  Outbox late(MakeWelcome(1), {}, {kNode, kBoot}, At(now_), 0.999999);
  EXPECT_EQ(early.WakeAt(events_, slots_), At(seconds(9)));
  EXPECT_GT(late.WakeAt(events_, slots_), At(milliseconds(10'999)));
  EXPECT_LE(late.WakeAt(events_, slots_), At(seconds(11)));
}

TEST_F(OutboxTest, ASenselessIntervalIsReplaced) {
  v1::Welcome welcome = MakeWelcome(1);
  welcome.mutable_heartbeat_interval()->set_seconds(0);
  EXPECT_EQ(HeartbeatInterval(welcome), kDefaultHeartbeatInterval);
  welcome.mutable_heartbeat_interval()->set_seconds(-5);
  EXPECT_EQ(HeartbeatInterval(welcome), kDefaultHeartbeatInterval);
  welcome.mutable_heartbeat_interval()->set_seconds(2);
  EXPECT_EQ(HeartbeatInterval(welcome), seconds(2));
}

TEST_F(OutboxTest, ASpoolThatDoesNotDeliverHoldsUpTheSlotsOnlyForAMoment) {
  EventWindow small(1);
  small.Add(MakeEvent(1, 1));
  small.Add(MakeEvent(1, 2));
  slots_.Apply(Snapshot({MakeSlot(1)}), At(now_));
  Outbox outbox(MakeWelcome(1), small.newest(), {kNode, kBoot}, At(now_), 0.5);
  const auto next = [&] { return outbox.Next({At(now_), {}, 0.5, 0}, small, &slots_); };
  EXPECT_TRUE(next()->has_events());
  EXPECT_FALSE(next().has_value());
  EXPECT_EQ(outbox.WakeAt(small, slots_), At(kReplayPatience));
  Advance(kReplayPatience);
  const auto request = next();
  ASSERT_TRUE(request.has_value());
  EXPECT_TRUE(request->has_snapshot_chunk());
}

}  // namespace
}  // namespace procctl::uplink
