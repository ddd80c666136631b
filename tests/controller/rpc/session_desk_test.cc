// What sessions are told at their beginning, with a real store and without a server.
#include "controller/rpc/session_desk.h"

#include <gtest/gtest.h>

#include "controller/store/local_engine.h"
#include "proto/support/time_convert.h"
#include "tests/proto/test_fleet.h"

namespace procctl::controller {
namespace {

class SessionDeskTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto engine = OpenLocalEngine(folder_.path() + "/state", "c-1");
    ASSERT_TRUE(engine.ok()) << engine.status();
    engine_ = *std::move(engine);
    fleet_.emplace(LivenessLimits{}, &engine_->commit_log(), &engine_->coordinator());
    desk_.emplace(&*fleet_, engine_.get());
  }
  v1::Welcome Welcome(const std::string& node, bool can_wait, std::int64_t epoch = 1) {
    v1::Welcome welcome;
    welcome.set_session_epoch(epoch);
    desk_->FillWelcome(node, can_wait, &welcome);
    return welcome;
  }

  procctl::testing::TemporaryFolder folder_;
  std::unique_ptr<Engine> engine_;
  std::optional<Fleet> fleet_;
  std::optional<SessionDesk> desk_;
};

TEST_F(SessionDeskTest, BeyondSixtyFourSnapshotsThoseWhoCanAreToldToWait) {
  for (int i = 0; i < 64; ++i) {
    EXPECT_FALSE(Welcome("n" + std::to_string(i), true).has_snapshot_delay());
  }
  EXPECT_FALSE(Welcome("old", false).has_snapshot_delay()) << "it does not know what that is";
  EXPECT_TRUE(Welcome("late", true).has_snapshot_delay());
  desk_->SnapshotReceived("n0", 1);
  EXPECT_TRUE(Welcome("late", true).has_snapshot_delay());
  desk_->SnapshotReceived("n2", 7);
  EXPECT_TRUE(Welcome("late", true).has_snapshot_delay()) << "of another session";
  desk_->SessionOver("n2", 1);
  EXPECT_FALSE(Welcome("late", true).has_snapshot_delay());
}

TEST_F(SessionDeskTest, TheLargerTheFleetTheLongerItTakesToComeBack) {
  EXPECT_EQ(FromProto(Welcome("n", true).reconnect_within()), std::chrono::seconds(1));
  std::vector<std::string> nodes;
  for (int i = 0; i < 10'000; ++i) nodes.push_back("n" + std::to_string(i));
  fleet_->AddKnown(nodes);
  EXPECT_EQ(FromProto(Welcome("n", true).reconnect_within()), std::chrono::seconds(20));
  nodes.resize(9000);
  for (const std::string& node : nodes) fleet_->ForgetNode(node);
  EXPECT_EQ(FromProto(Welcome("n", true).reconnect_within()), std::chrono::seconds(2))
      << "nobody waits for those that are forgotten";
}

}  // namespace
}  // namespace procctl::controller
