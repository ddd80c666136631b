#include "node/os/process_ref.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

namespace procctl::node {
namespace {

// A child of this test that waits to be killed.
class Child {
 public:
  Child() : pid_(fork()) {
    if (pid_ == 0) {
      for (;;) pause();
    }
  }
  ~Child() { Reap(); }
  pid_t pid() const { return pid_; }
  void Reap() {
    if (pid_ <= 0) return;
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
    pid_ = -1;
  }

 private:
  pid_t pid_;
};

TEST(ProcessRef, BindsTheProcessAndSeesItsEnd) {
  Child child;
  auto ref = ProcessRef::Open(child.pid());
  ASSERT_TRUE(ref.ok()) << ref.status();
  EXPECT_TRUE(ref->Alive());
  EXPECT_EQ(ref->identity().pid, child.pid());
  child.Reap();
  EXPECT_FALSE(ref->Alive());
  EXPECT_EQ(ref->Signal(SIGTERM).sent, Target::Sent::kGone);
}

TEST(ProcessRef, AZombieHasEnded) {
  Child child;
  auto ref = ProcessRef::Open(child.pid());
  ASSERT_TRUE(ref.ok());
  ASSERT_EQ(ref->Signal(SIGKILL).sent, Target::Sent::kYes);
  siginfo_t info{};
  ASSERT_EQ(waitid(P_PID, static_cast<id_t>(child.pid()), &info, WEXITED | WNOWAIT), 0);
  EXPECT_FALSE(ref->Alive());
}

TEST(ProcessRef, NobodyHasAnImpossiblePid) {
  for (const int32_t pid : {INT32_MAX, -1, 0}) EXPECT_FALSE(ProcessRef::Open(pid).ok()) << pid;
}

TEST(ProcessRef, FactsAreTheKernels) {
  Child child;
  auto ref = ProcessRef::Open(child.pid());
  ASSERT_TRUE(ref.ok());
  const TargetFacts facts = ref->Facts();
  EXPECT_TRUE(facts.alive);
  EXPECT_EQ(facts.start_ticks, ref->identity().start_ticks);
  EXPECT_EQ(facts.uid, geteuid());
  EXPECT_EQ(facts.tracer, 0);
  EXPECT_FALSE(facts.kernel_thread);
}

TEST(ProcessRef, SeesADebugger) {
  Child child;
  auto ref = ProcessRef::Open(child.pid());
  ASSERT_TRUE(ref.ok());
  ASSERT_EQ(ptrace(PTRACE_SEIZE, child.pid(), nullptr, nullptr), 0);
  EXPECT_EQ(ref->Facts().tracer, getpid());
}

}  // namespace
}  // namespace procctl::node
