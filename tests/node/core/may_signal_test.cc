#include "node/core/may_signal.h"

#include <gtest/gtest.h>

namespace procctl::node {
namespace {

class MaySignalTest : public ::testing::Test {
 protected:
  MaySignalTest() {
    facts_ = {
        .alive = true, .start_ticks = 900, .comm = "worker", .kernel_thread = false, .uid = 1000};
    policy_.own_line = {50, 40};
    policy_.protected_names = AlwaysProtected();
  }
  SignalAnswer Ask() const { return MaySignal(target_, registered_uid_, facts_, policy_); }

  ProcessIdentity target_{4242, 900};
  int64_t registered_uid_ = 1000;
  TargetFacts facts_;
  SignalPolicy policy_;
};

TEST_F(MaySignalTest, TheProcessThatRegisteredMayBe) {
  EXPECT_EQ(Ask().permission, Permission::kAllowed);
  EXPECT_EQ(Ask().reason, "");
}

TEST_F(MaySignalTest, AReusedPidIsAMismatchWhateverElseHolds) {
  facts_.start_ticks = 901;
  EXPECT_EQ(Ask().permission, Permission::kMismatch);
  facts_.alive = false;  // ours has ended, and the pid is somebody else's
  EXPECT_EQ(Ask().permission, Permission::kMismatch);
}

TEST_F(MaySignalTest, AnEndedProcessIsGone) {
  facts_.alive = false;
  EXPECT_EQ(Ask().permission, Permission::kGone);
  facts_.alive = true;
  facts_.start_ticks.reset();
  EXPECT_EQ(Ask().permission, Permission::kGone);
}

TEST_F(MaySignalTest, PidsUpToOneNever) {
  for (const int32_t pid : {1, 0, -1, INT32_MIN}) {
    target_.pid = pid;
    EXPECT_EQ(Ask().refusal, v1::REFUSAL_PROTECTED) << pid;
  }
}

TEST_F(MaySignalTest, TheGuardianAndItsAncestorsNever) {
  for (const int32_t pid : {50, 40}) {
    target_.pid = pid;
    EXPECT_EQ(Ask().refusal, v1::REFUSAL_PROTECTED) << pid;
  }
}

TEST_F(MaySignalTest, KernelThreadsNever) {
  facts_.kernel_thread = true;
  EXPECT_EQ(Ask().refusal, v1::REFUSAL_PROTECTED);
}

TEST_F(MaySignalTest, ProtectedNamesNever) {
  for (const char* name : {"init", "systemd", "sshd", "procctl-node", "procctl-uplink",
                           "procctl-logger", "procctl-control"}) {
    facts_.comm = name;
    EXPECT_EQ(Ask().refusal, v1::REFUSAL_PROTECTED) << name;
  }
}

TEST_F(MaySignalTest, APlainUsersGuardianOnlyThatUsersProcesses) {
  policy_.guardian_uid = 1001;
  EXPECT_EQ(Ask().refusal, v1::REFUSAL_OTHER_USER);
  policy_.guardian_uid = 1000;
  EXPECT_EQ(Ask().permission, Permission::kAllowed);
}

TEST_F(MaySignalTest, AProcessThatGainedAnotherUserIsRefusedOneThatGaveUpRootIsNot) {
  facts_.uid = 0;
  EXPECT_EQ(Ask().refusal, v1::REFUSAL_OTHER_USER);
  registered_uid_ = 0;
  facts_.uid = 1000;
  EXPECT_EQ(Ask().permission, Permission::kAllowed);
}

TEST_F(MaySignalTest, TracedFrozenAndObservedAreHeldWithTheReason) {
  facts_.tracer = 77;
  EXPECT_EQ(Ask().permission, Permission::kHold);
  EXPECT_EQ(Ask().reason, "it is traced by pid 77");
  facts_.tracer = 0;
  facts_.frozen = true;
  EXPECT_EQ(Ask().permission, Permission::kHold);
  facts_.frozen = false;
  policy_.enforce = false;
  EXPECT_EQ(Ask().permission, Permission::kHold);
}

}  // namespace
}  // namespace procctl::node
