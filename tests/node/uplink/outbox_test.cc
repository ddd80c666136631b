#include "node/uplink/outbox.h"

#include <gtest/gtest.h>

#include "proto/support/row_digest.h"
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

// ---- What heartbeats say

class HeartbeatTest : public OutboxTest {
 protected:
  // The next message, which must be a heartbeat.
  v1::NodeHeartbeat NextHeartbeat() {
    const auto request =
        outbox_->Next({At(now_), {}, 0.5, 7, 250, milliseconds(3)}, events_, &slots_);
    EXPECT_TRUE(request.has_value() && request->has_heartbeat());
    return request.has_value() ? request->heartbeat() : v1::NodeHeartbeat();
  }
  void ConnectWithOneSlot() {
    slots_.Apply(Snapshot({MakeSlot(1)}), At(now_));
    Connect(MakeWelcome(1));
    EXPECT_EQ(Next(), "snapshot 1 last");
  }
};

TEST_F(HeartbeatTest, EverySixthHoldsADigestOfTheRowsAtItsRevision) {
  ConnectWithOneSlot();
  for (int round = 0; round < 2; ++round) {
    for (int i = 1; i < kDigestEvery; ++i) {
      Advance(seconds(10));
      EXPECT_FALSE(NextHeartbeat().has_digest()) << round << " " << i;
    }
    Advance(seconds(10));
    const v1::NodeHeartbeat heartbeat = NextHeartbeat();
    ASSERT_TRUE(heartbeat.has_digest());
    EXPECT_EQ(heartbeat.digest(), RowDigest(MakeSlot(1)));
    EXPECT_EQ(heartbeat.revision(), slots_.revision());
  }
}

TEST_F(HeartbeatTest, WhileAChangeWaitsThereIsNoDigestAndTheNextHeartbeatHoldsIt) {
  ConnectWithOneSlot();
  for (int i = 1; i < kDigestEvery; ++i) {
    Advance(seconds(10));
    (void)NextHeartbeat();
  }
  // A new snapshot is owed, and the guardian's rows change under it.
  outbox_->RequestSnapshot();
  const auto snapshot = outbox_->Next({At(now_), {}, 0.5, 0}, events_, &slots_);
  ASSERT_TRUE(snapshot.has_value() && snapshot->has_snapshot_chunk());
  Advance(seconds(10));
  slots_.Apply(Change({MakeSlot(1, v1::SLOT_STATE_QUIET)}), At(now_));
  EXPECT_FALSE(NextHeartbeat().has_digest());
  Advance(kDeltaDelay);
  EXPECT_EQ(Next(), "delta 2");
  Advance(seconds(10));
  const v1::NodeHeartbeat heartbeat = NextHeartbeat();
  ASSERT_TRUE(heartbeat.has_digest());
  EXPECT_EQ(heartbeat.digest(), RowDigest(MakeSlot(1, v1::SLOT_STATE_QUIET)));
  EXPECT_EQ(heartbeat.revision(), 2);
}

TEST_F(HeartbeatTest, ANodeThatIsNeverSilentSaysItAfterSixIntervals) {
  ConnectWithOneSlot();
  int heartbeats = 0;
  int digests = 0;
  for (int second = 1; second <= 125; ++second) {
    Advance(seconds(1));
    events_.Add(MakeEvent(1, second));
    for (;;) {
      const auto request = outbox_->Next({At(now_), {}, 0.5, 0}, events_, &slots_);
      if (!request.has_value()) break;
      heartbeats += request->has_heartbeat() ? 1 : 0;
      digests += request->heartbeat().has_digest() ? 1 : 0;
    }
    EXPECT_GT(outbox_->WakeAt(events_, slots_), At(now_));
    events_.Acknowledge({1, second});
  }
  EXPECT_EQ(heartbeats, 2);
  EXPECT_EQ(digests, 2);
}

TEST_F(HeartbeatTest, RowsThatNeverRestHoldItUpForASecondOnly) {
  ConnectWithOneSlot();
  Advance(seconds(60) - milliseconds(1));
  // A delta is owed at every moment from here on, and never due.
  int state = 1;
  const auto change = [&] {
    slots_.Apply(Change({MakeSlot(1, static_cast<v1::SlotState>(1 + state++ % 2))}), At(now_));
  };
  const auto next = [&] { return outbox_->Next({At(now_), {}, 0.5, 0}, events_, &slots_); };
  change();
  ASSERT_TRUE(next()->has_heartbeat()) << "of the silence before";
  Advance(kDeltaDelay);
  EXPECT_TRUE(next()->has_delta());
  nanoseconds waited{0};
  bool told = false;
  for (int step = 0; step < 7'000 && !told; ++step) {
    change();
    Advance(milliseconds(10));
    if (const auto request = next()) told = request->has_heartbeat();
    waited += milliseconds(10);
  }
  ASSERT_TRUE(told);
  EXPECT_LE(waited, seconds(61));
}

TEST_F(HeartbeatTest, TheControllersClockIsGivenBackWithItsAge) {
  ConnectWithOneSlot();
  Advance(seconds(10));
  EXPECT_FALSE(NextHeartbeat().has_echo()) << "nothing was heard";
  outbox_->Heard(v1::ControllerHeartbeat(), At(now_));
  Advance(seconds(10));
  EXPECT_FALSE(NextHeartbeat().has_echo()) << "an older controller says no time";
  v1::ControllerHeartbeat heard;
  heard.mutable_clock()->set_seconds(1'700'000'000);
  outbox_->Heard(heard, At(now_));
  Advance(seconds(10));
  const v1::NodeHeartbeat heartbeat = NextHeartbeat();
  EXPECT_EQ(heartbeat.echo().seconds(), 1'700'000'000);
  EXPECT_EQ(heartbeat.echo_age().seconds(), 10);
}

TEST_F(HeartbeatTest, LoadAndLagAreTold) {
  ConnectWithOneSlot();
  EXPECT_FALSE(outbox_->HeartbeatDue(At(now_)));
  Advance(seconds(10));
  EXPECT_TRUE(outbox_->HeartbeatDue(At(now_)));
  const v1::NodeHeartbeat heartbeat = NextHeartbeat();
  EXPECT_EQ(heartbeat.load_per_mille(), 250);
  EXPECT_EQ(heartbeat.lag().nanos(), 3'000'000);
}

// ---- When the rows go out

TEST_F(OutboxTest, TheSnapshotWaitsForItsTimeAndTheRestDoesNot) {
  slots_.Apply(Snapshot({MakeSlot(1)}), At(now_));
  events_.Add(MakeEvent(1, 1));
  v1::Welcome welcome = MakeWelcome(1);
  welcome.mutable_snapshot_delay()->set_seconds(15);
  Connect(welcome);
  EXPECT_EQ(Next(), "events 1-1");
  EXPECT_EQ(Next(), "");
  Advance(seconds(10));
  EXPECT_EQ(Next(), "heartbeat");
  events_.Add(MakeEvent(1, 2));
  slots_.Apply(Change({MakeSlot(2)}), At(now_));
  EXPECT_EQ(Next(), "events 2-2");
  EXPECT_EQ(Next(), "");
  EXPECT_EQ(outbox_->WakeAt(events_, slots_), At(seconds(15)));
  Advance(seconds(5) - nanoseconds(1));
  EXPECT_EQ(Next(), "");
  Advance(nanoseconds(1));
  EXPECT_EQ(Next(), "snapshot 1 last");
  EXPECT_EQ(Next(), "") << "what changed before it is in it";
}

TEST_F(OutboxTest, AResyncDoesNotWaitForTheTimeOfTheSnapshot) {
  slots_.Apply(Snapshot({MakeSlot(1)}), At(now_));
  v1::Welcome welcome = MakeWelcome(1);
  welcome.mutable_snapshot_delay()->set_seconds(15);
  Connect(welcome);
  EXPECT_EQ(Next(), "");
  outbox_->RequestSnapshot();
  EXPECT_EQ(Next(), "snapshot 1 last");
  Advance(seconds(15));
  EXPECT_EQ(Next(), "heartbeat") << "and not a second one";
}

TEST_F(OutboxTest, ADelayOfTheSnapshotIsBounded) {
  slots_.Apply(Snapshot({MakeSlot(1)}), At(now_));
  v1::Welcome welcome = MakeWelcome(1);
  welcome.mutable_snapshot_delay()->set_seconds(86'400);
  Connect(welcome);
  Advance(kMaxSnapshotDelay);
  EXPECT_EQ(Next(), "heartbeat");
  EXPECT_EQ(Next(), "snapshot 1 last");
}

}  // namespace
}  // namespace procctl::uplink
