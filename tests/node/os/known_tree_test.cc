#include "node/os/known_tree.h"

#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "node/os/end_status.h"
#include "node/os/proc_file.h"
#include "tests/node/os/program_fixture.h"

namespace procctl::node {
namespace {

class KnownTreeTest : public testing::Test {
 protected:
  // Starts a script that tells pids line by line.
  ProcessRef Start(const std::string& script) {
    ProgramStart start = Shell(script);
    start.stdout_fifo = out_.path();
    auto process = StartProgram(start);
    if (!process.ok()) ADD_FAILURE() << process.status();
    return *std::move(process);
  }
  ProcessRef Told() {
    auto process = ProcessRef::Open(std::atoi(out_.Line().c_str()));
    if (!process.ok()) ADD_FAILURE() << process.status();
    return *std::move(process);
  }
  static void End(ProcessRef* process) {
    (void)process->Signal(SIGKILL);
    EXPECT_TRUE(Readable(process->pidfd()));
  }

  Scratch scratch_;
  Fifo out_{scratch_ / "out"};
};

TEST_F(KnownTreeTest, TheSessionOfOneThatIsKnownIsKnown) {
  ProcessRef leader = Start("sleep 1000 & echo $!; wait");
  ProcessRef child = Told();
  KnownTree tree;
  EXPECT_TRUE(tree.empty());
  tree.Add(child.identity());
  ASSERT_TRUE(tree.Look().ok());
  EXPECT_TRUE(tree.Knows(leader.identity().pid));
  EXPECT_TRUE(tree.Knows(child.identity().pid));
  EXPECT_FALSE(tree.Knows(getpid()));
  EXPECT_EQ(tree.identities().size(), 2U);
  EXPECT_TRUE(tree.AnyLeft());
  EXPECT_EQ(tree.Signal(SIGKILL), 2);
  (void)AwaitEnd(leader);
  EXPECT_TRUE(Readable(child.pidfd()));
  EXPECT_FALSE(tree.AnyLeft());
  ASSERT_TRUE(tree.Look().ok());
  EXPECT_TRUE(tree.empty());
}

TEST_F(KnownTreeTest, NobodyIsKnownByANumberAlone) {
  ProcessRef leader = Start("sleep 1000 & echo $!; wait");
  ProcessRef child = Told();
  KnownTree tree;
  // The same number, of another life.
  tree.Add({child.identity().pid, child.identity().start_ticks - 1});
  EXPECT_FALSE(tree.AnyLeft());
  ASSERT_TRUE(tree.Look().ok());
  EXPECT_TRUE(tree.empty());
  EXPECT_EQ(tree.Signal(SIGKILL), 0);
  EXPECT_TRUE(child.Alive());
  End(&child);
  End(&leader);
  (void)AwaitEnd(leader);
}

TEST_F(KnownTreeTest, AGroupIsPassedOverWhereAsked) {
  ProcessRef leader = Start("sleep 1000 & echo $!; wait");
  ProcessRef child = Told();
  KnownTree tree;
  tree.AddSession(leader.identity());
  ASSERT_TRUE(tree.Look().ok());
  EXPECT_EQ(tree.Signal(SIGKILL, leader.identity().pid), 0);
  EXPECT_EQ(tree.Signal(SIGKILL), 2);
  (void)AwaitEnd(leader);
  EXPECT_TRUE(Readable(child.pidfd()));
}

TEST_F(KnownTreeTest, WithoutDescriptorsItForgetsNobody) {
  ProcessRef leader = Start("exec sleep 1000");
  KnownTree tree;
  tree.Add(leader.identity());
  ASSERT_TRUE(tree.Look().ok());
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  const int lowest = dup(2);
  close(lowest);
  const rlimit tight{static_cast<rlim_t>(lowest), before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &tight), 0);
  const absl::Status looked = tree.Look();
  const bool left = tree.AnyLeft();
  // Nor is its process taken as ended.
  const absl::Status opened = ProcessRef::Open(leader.identity().pid).status();
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
  EXPECT_TRUE(absl::IsResourceExhausted(looked)) << looked;
  EXPECT_TRUE(left);
  EXPECT_TRUE(absl::IsResourceExhausted(opened)) << opened;
  EXPECT_TRUE(tree.Knows(leader.identity().pid));
  End(&leader);
  (void)AwaitEnd(leader);
}

TEST_F(KnownTreeTest, APidfdAloneIsNoEndWhereNothingCanBeReadOfIt) {
  ProcessRef leader = Start("exec sleep 1000");
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  const int lowest = dup(2);
  close(lowest);
  // Room for the pidfd, none for /proc.
  const rlimit tight{static_cast<rlim_t>(lowest) + 1, before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &tight), 0);
  const absl::Status opened = ProcessRef::Open(leader.identity().pid).status();
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
  EXPECT_TRUE(absl::IsResourceExhausted(opened)) << opened;
  End(&leader);
  (void)AwaitEnd(leader);
}

// ---- kinship

TEST_F(KnownTreeTest, ADescendantIsKinWhereverItWent) {
  ProcessRef leader =
      Start("sh -c 'echo $$; setsid sh -c \"sleep 1000 & echo \\$!; wait\"; wait' & wait");
  const ProcessRef child = Told();
  ProcessRef grandchild = Told();
  EXPECT_EQ(KinshipOf(child, leader.identity()), Kinship::kDescends);
  EXPECT_EQ(KinshipOf(grandchild, leader.identity()), Kinship::kDescends);
  EXPECT_EQ(KinshipOf(grandchild, {leader.identity().pid, leader.identity().start_ticks - 1}),
            Kinship::kNone);
  KnownTree tree;
  tree.Add(leader.identity());
  tree.Add(grandchild.identity());
  ASSERT_TRUE(tree.Look().ok());
  (void)tree.Signal(SIGKILL);
  (void)AwaitEnd(leader);
  EXPECT_TRUE(Readable(grandchild.pidfd()));
}

TEST_F(KnownTreeTest, OneThatLostItsParentsIsAnOrphanAndNobodysForSure) {
  ASSERT_EQ(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
  ProcessRef leader = Start("setsid sh -c 'sleep 1000 & echo $!'; sleep 1000");
  ProcessRef orphan = Told();
  // Until the one in between has gone it is not ours.
  while (ReadStat(orphan.identity().pid)->parent != getpid()) poll(nullptr, 0, 1);
  EXPECT_EQ(KinshipOf(orphan, leader.identity()), Kinship::kOrphan);
  const auto parent = ProcessRef::Open(getppid());
  ASSERT_TRUE(parent.ok());
  EXPECT_EQ(KinshipOf(*parent, leader.identity()), Kinship::kNone);
  KnownTree tree;
  tree.Add(leader.identity());
  tree.Add(orphan.identity());
  ASSERT_TRUE(tree.Look().ok());
  (void)tree.Signal(SIGKILL);
  EXPECT_TRUE(Readable(orphan.pidfd()));
  EXPECT_TRUE(Readable(leader.pidfd()));
  (void)ReapStrangers({});
  ASSERT_EQ(prctl(PR_SET_CHILD_SUBREAPER, 0), 0);
}

}  // namespace
}  // namespace procctl::node
