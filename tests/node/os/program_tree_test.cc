#include "node/os/program_tree.h"

#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include <algorithm>
#include <cstdlib>

#include "node/os/end_status.h"
#include "node/os/proc_file.h"
#include "tests/node/os/foreigner.h"
#include "tests/node/os/program_fixture.h"

namespace procctl::node {
namespace {

bool Has(const std::vector<TreeMember>& members, int32_t pid) {
  for (const TreeMember& member : members) {
    if (member.pid == pid) return true;
  }
  return false;
}

class ProgramTree : public testing::Test {
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
    const int32_t pid = std::atoi(out_.Line().c_str());
    auto process = ProcessRef::Open(pid);
    if (!process.ok()) ADD_FAILURE() << process.status();
    return *std::move(process);
  }

  Scratch scratch_;
  Fifo out_{scratch_ / "out"};
};

TEST_F(ProgramTree, TheGroupSignalReachesGrandchildrenAndNotUs) {
  ProcessRef leader = Start("(sleep 1000 & echo $!; wait) & wait");
  const ProcessRef grandchild = Told();
  EXPECT_EQ(SignalGroup(leader, SIGTERM).sent, Target::Sent::kYes);
  EXPECT_EQ(AwaitEnd(leader).si_status, SIGTERM);
  EXPECT_TRUE(Readable(grandchild.pidfd()));
}

TEST_F(ProgramTree, TheGroupOutlivesItsLeader) {
  ProcessRef leader = Start("sleep 1000 & echo $!; read line");
  // stdin is /dev/null: the leader goes at once.
  const ProcessRef orphan = Told();
  ASSERT_EQ(AwaitEnd(leader).si_code, CLD_EXITED);
  EXPECT_TRUE(orphan.Alive());
  const Target::Outcome outcome = SignalGroup(leader, SIGKILL);
  if (outcome.sent == Target::Sent::kDenied) {
    (void)syscall(SYS_pidfd_send_signal, orphan.pidfd(), SIGKILL, nullptr, 0);
    GTEST_SKIP() << "this kernel signals groups by number only: " << outcome.error;
  }
  EXPECT_EQ(outcome.sent, Target::Sent::kYes) << outcome.error;
  EXPECT_TRUE(Readable(orphan.pidfd()));
}

TEST_F(ProgramTree, AGroupWithoutMembersIsGone) {
  ProcessRef leader = Start("exit 0");
  (void)AwaitEnd(leader);
  EXPECT_NE(SignalGroup(leader, SIGTERM).sent, Target::Sent::kYes);
}

TEST_F(ProgramTree, ByNumberOnlyWhileTheNumberIsOurs) {
  ProcessRef leader = Start("sleep 1000 & echo $!; wait");
  const ProcessRef child = Told();
  EXPECT_EQ(SignalGroupByNumber(leader, SIGKILL).sent, Target::Sent::kYes);
  EXPECT_TRUE(Readable(child.pidfd()));
  ASSERT_TRUE(Readable(leader.pidfd()));
  // A zombie still has its number.
  EXPECT_NE(SignalGroupByNumber(leader, 0).sent, Target::Sent::kDenied);
  (void)AwaitEnd(leader);
  const Target::Outcome outcome = SignalGroupByNumber(leader, SIGKILL);
  EXPECT_EQ(outcome.sent, Target::Sent::kDenied);
  EXPECT_NE(outcome.error.find("may be somebody else's"), std::string::npos) << outcome.error;
}

TEST_F(ProgramTree, ForeignLeadersAreNotSignalledByNumber) {
  Foreigner foreigner([] { _exit(0); });
  auto leader = ProcessRef::Open(foreigner.pid());
  ASSERT_TRUE(leader.ok());
  EXPECT_EQ(SignalGroupByNumber(*leader, SIGKILL).sent, Target::Sent::kDenied);
  EXPECT_TRUE(leader->Alive());
}

TEST_F(ProgramTree, TheSessionHoldsWhoLeftTheGroup) {
  // timeout(1) makes a group of its own.
  ProcessRef leader = Start("timeout 1000 sh -c 'echo $$; exec sleep 1000' & wait");
  const ProcessRef job = Told();
  const int32_t pid = job.identity().pid;
  ASSERT_NE(ReadStat(pid)->group, leader.identity().pid);
  EXPECT_TRUE(Has(SessionMembers(leader.identity()), pid));
  EXPECT_TRUE(Has(SessionMembers(leader.identity()), leader.identity().pid));
  EXPECT_FALSE(Has(SessionMembers(leader.identity()), getpid()));
  ProcessIdentity earlier = leader.identity();
  earlier.start_ticks -= 1;
  EXPECT_TRUE(SessionMembers(earlier).empty()) << "the number has passed to somebody else";

  SignalGroup(leader, SIGKILL);
  (void)AwaitEnd(leader);
  const auto left = SessionMembers(leader.identity());
  EXPECT_TRUE(Has(left, pid));
  EXPECT_EQ(left.size(), 2U) << "timeout and sleep";
  EXPECT_EQ(SignalSession(leader.identity(), SIGKILL), 2);
  EXPECT_TRUE(Readable(job.pidfd()));
}

TEST_F(ProgramTree, OrphansComeToTheirSubreaper) {
  ASSERT_EQ(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
  ProcessRef leader = Start("setsid sh -c 'echo $$; exec sleep 1000' & read line; wait");
  ProcessRef orphan = Told();
  const int32_t pid = orphan.identity().pid;
  SignalGroup(leader, SIGKILL);
  (void)AwaitEnd(leader);
  EXPECT_TRUE(SessionMembers(leader.identity()).empty());
  EXPECT_TRUE(Has(OrphansOfOurs({}), pid));
  EXPECT_FALSE(Has(OrphansOfOurs({pid}), pid));
  orphan.Signal(SIGKILL);
  ASSERT_TRUE(Readable(orphan.pidfd()));
  EXPECT_FALSE(Has(OrphansOfOurs({}), pid)) << "it has ended";
  EXPECT_GE(ReapStrangers({}), 1);
  EXPECT_EQ(waitpid(pid, nullptr, WNOHANG), -1);
  prctl(PR_SET_CHILD_SUBREAPER, 0);
}

TEST_F(ProgramTree, EveryThreadsChildrenAreOurs) {
  ProcessRef child = Start("exec sleep 1000");
  const std::vector<int32_t> children = OwnChildren();
  EXPECT_EQ(std::count(children.begin(), children.end(), child.identity().pid), 1);
  child.Signal(SIGKILL);
  ASSERT_TRUE(Readable(child.pidfd()));
  EXPECT_EQ(OwnChildren().size(), children.size()) << "a zombie is still there";
  (void)AwaitEnd(child);
}

}  // namespace
}  // namespace procctl::node
