// How the real procctl-uplink begins and ends its sessions: fences, drains, Goodbye, and what its
// heartbeats say.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <vector>

#include "proto/support/time_convert.h"
#include "tests/node/uplink/uplink_fixture.h"

namespace procctl::uplink {
namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;
using std::chrono::seconds;

TEST_F(UplinkTest, AControllerOnAnOldCopyOfTheDatabaseIsRefusedAndTheRightOneIsNot) {
  controller_.Set({.history_id = "db", .generation = 3, .run = "a"});
  Run();
  guardian_->Record(1);
  ASSERT_TRUE(Soon([&] { return controller_.Committed(1) == 1; }));
  guardian_->Kill();
  controller_.Set({.history_id = "db", .generation = 2, .run = "z"});
  guardian_->Start();
  ASSERT_TRUE(Logged("is start 2 of database db, but this node was welcomed by start 3 of it"));
  ASSERT_TRUE(Soon([&] { return guardian_->conflicts().size() == 1; }));
  guardian_->Kill();
  controller_.Set({.history_id = "db", .generation = 3, .run = "b"});
  guardian_->Start();
  ASSERT_TRUE(Logged("two controllers run on copies of one database"));
  ASSERT_TRUE(Soon([&] { return guardian_->conflicts().size() == 2; }));
  guardian_->Record(1);
  EXPECT_FALSE(guardian_->Pump([&] { return controller_.Committed(1) > 1; }, milliseconds(300)));
  guardian_->Kill();
  controller_.Set({.history_id = "db", .generation = 4, .run = "c"});
  guardian_->Start();
  EXPECT_TRUE(Soon([&] { return controller_.Committed(1) == 2; }));
  EXPECT_EQ(guardian_->conflicts().size(), 2u);
}

TEST_F(UplinkTest, HeartbeatsHoldDigestsOfWhatWasToldAndTheControllersClock) {
  controller_.Set({.heartbeat = milliseconds(100)});
  Run();
  guardian_->SetPrograms({MakeProgram("web")});
  guardian_->SetSlots({MakeSlot(1), MakeSlot(2)});
  ASSERT_TRUE(Soon([&] { return controller_.Slots().size() == 2; }));
  ASSERT_TRUE(Soon([&] { return controller_.Digests() >= 1; }));
  v1::LinkUp message;
  *message.mutable_slots() = Change({MakeSlot(1, v1::SLOT_STATE_TERM_SENT), MakeSlot(3)}, {2});
  guardian_->Send(message);
  ASSERT_TRUE(Soon([&] { return controller_.Slots().count(3) == 1; }));
  const int before = controller_.Digests();
  // Each was compared with the rows that the controller holds (Breaches).
  ASSERT_TRUE(Soon([&] { return controller_.Digests() >= before + 2; }));
  EXPECT_EQ(controller_.Snapshots(), 1);
  ASSERT_TRUE(Soon([&] { return controller_.LastHeartbeat().has_echo(); }));
  const v1::NodeHeartbeat heartbeat = controller_.LastHeartbeat();
  // Both are this host's clock.
  EXPECT_LE(FromProto(heartbeat.echo()), FromProto(heartbeat.clock()));
  EXPECT_GE(FromProto(heartbeat.echo_age()), nanoseconds(0));
  EXPECT_TRUE(heartbeat.has_lag());
  EXPECT_GE(heartbeat.load_per_mille(), 0);
}

TEST_F(UplinkTest, TheSnapshotComesAfterItsDelayAndEventsDoNotWaitForIt) {
  controller_.Set({.snapshot_delay = seconds(1)});
  Run();
  const auto begin = std::chrono::steady_clock::now();
  guardian_->SetSlots({MakeSlot(1)});
  guardian_->Record(5);
  ASSERT_TRUE(Soon([&] { return controller_.Committed(1) == 5; }));
  ASSERT_TRUE(Soon([&] { return controller_.Snapshots() == 1; }));
  EXPECT_GE(std::chrono::steady_clock::now() - begin, seconds(1));
  EXPECT_EQ(controller_.Slots().size(), 1u);
}

TEST_F(UplinkTest, ADrainedNodeEndsTheSessionInGoodOrderAndComesBackAfterItsDelay) {
  Run();
  guardian_->Record(1);
  ASSERT_TRUE(Soon([&] { return controller_.Committed(1) == 1; }));
  const auto begin = std::chrono::steady_clock::now();
  controller_.SendDrain(seconds(1), "going down");
  ASSERT_TRUE(Soon([&] { return controller_.EndedByNode() == 1; }));
  ASSERT_TRUE(Soon([&] { return controller_.Welcomed() == 2; }));
  EXPECT_GE(std::chrono::steady_clock::now() - begin, seconds(1));
  EXPECT_TRUE(Logged("the controller sent this node away for a while: going down"));
  guardian_->Record(1);
  EXPECT_TRUE(Soon([&] { return controller_.Committed(1) == 2; }));
}

TEST_F(UplinkTest, TheGuardiansGoodbyeReachesTheControllerBehindItsLastEvents) {
  Run();
  guardian_->Record(1);
  ASSERT_TRUE(Soon([&] { return controller_.Committed(1) == 1; }));
  guardian_->Record(50);
  v1::LinkUp message;
  message.mutable_goodbye()->set_reason("stopping");
  guardian_->Send(message);
  EXPECT_EQ(guardian_->Close(seconds(10)), 0);
  EXPECT_EQ(controller_.Committed(1), 51);
  EXPECT_EQ(controller_.Goodbyes(), std::vector<std::string>{"stopping"});
  EXPECT_EQ(controller_.EndedByNode(), 1);
}

TEST_F(UplinkTest, AGuardianThatIsKilledSaysNoGoodbye) {
  Run();
  guardian_->Record(1);
  ASSERT_TRUE(Soon([&] { return controller_.Committed(1) == 1; }));
  EXPECT_EQ(guardian_->Close(seconds(10)), 0);
  EXPECT_FALSE(controller_.Connected());
  EXPECT_THAT(controller_.Goodbyes(), ::testing::IsEmpty());
}

}  // namespace
}  // namespace procctl::uplink
