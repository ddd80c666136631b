// Every kind of target at once: each follows its rule, and none delays the plain ones.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <pthread.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include "proto/support/time_convert.h"
#include "tests/e2e/harness/cgroup.h"
#include "tests/e2e/harness/fleet.h"
#include "tests/e2e/harness/frozen_disk.h"
#include "tests/e2e/harness/guarded_child.h"

namespace procctl::e2e {
namespace {

void* SleepForEver(void*) {
  Hang();
  return nullptr;
}

// A child of the guarded one, which beats on while its parent hangs.
void ForkABeater(procctl_heart* heart) {
  const pid_t parent = getpid();
  if (fork() == 0) {
    while (getppid() == parent) {
      procctl_beat(heart);
      usleep(20'000);
    }
    _exit(0);
  }
  Hang();
}

TEST(Targets, EachKindFollowsItsRuleAndThePlainOnesAreNotDelayed) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root to freeze disks and cgroups";
  Fleet fleet({"n1"});
  FrozenDisk disk(fleet.folder());
  if (!disk.usable()) GTEST_SKIP() << disk.why();
  Cgroup cgroup("targets");
  if (!cgroup.usable()) GTEST_SKIP() << cgroup.why();
  fleet.StartController();
  Node& node = fleet.StartNode("n1");
  fleet.AwaitConnected(1);

  constexpr auto kTimeout = 3s;
  const auto hang = [](procctl_heart*) { Hang(); };
  const std::string file = disk.path() + "/file";
  Child stuck = GuardedChild(node, "stuck", kTimeout, [&](procctl_heart*) {
    const int fd = open(file.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    while (write(fd, "x", 1) == 1) usleep(10'000);
  });
  disk.Freeze();
  Child traced = GuardedChild(node, "traced", kTimeout, hang);
  ASSERT_EQ(ptrace(PTRACE_SEIZE, traced.pid(), nullptr, nullptr), 0);
  Child stopped = GuardedChild(node, "stopped", kTimeout, hang);
  stopped.Signal(SIGSTOP);
  Child frozen = GuardedChild(node, "frozen", kTimeout, hang);
  cgroup.Add(frozen.pid());
  cgroup.Freeze();
  Child mule = GuardedChild(node, "mule", kTimeout, [](procctl_heart*) {
    signal(SIGTERM, SIG_IGN);
    Hang();
  });
  Child execed = GuardedChild(node, "execed", kTimeout, [](procctl_heart*) {
    execl("/bin/sleep", "sleep", "600", static_cast<char*>(nullptr));
  });
  Child headless = GuardedChild(node, "headless", kTimeout, [](procctl_heart*) {
    pthread_t thread;
    // Not pthread_exit: it would unwind this stack, and with it the test's own list of children.
    if (pthread_create(&thread, nullptr, SleepForEver, nullptr) == 0) syscall(SYS_exit, 0);
  });
  Child parent = GuardedChild(node, "parent", kTimeout, ForkABeater);
  std::vector<Child> plain;
  const auto began = SinceBoot();
  for (int i = 0; i < 3; ++i)
    plain.push_back(GuardedChild(node, "plain-" + std::to_string(i), kTimeout, hang));

  for (Child& child : plain) EXPECT_TRUE(child.WaitExit(kTimeout + 6500ms));
  EXPECT_LE(SinceBoot() - began, kTimeout + 6500ms);
  for (Child* child : {&stopped, &execed, &headless, &parent}) {
    EXPECT_TRUE(child->WaitExit(10s)) << child->pid();
    EXPECT_EQ(fleet.AwaitEvent("verdict", 10s, Is(v1::EVENT_KIND_VERDICT, child->pid())).verdict(),
              v1::VERDICT_EXITED_ON_TERM);
  }
  EXPECT_TRUE(mule.WaitExit(15s));
  EXPECT_EQ(fleet.AwaitEvent("verdict", 10s, Is(v1::EVENT_KIND_VERDICT, mule.pid())).verdict(),
            v1::VERDICT_KILLED);
  EXPECT_EQ(fleet.AwaitEvent("held", 10s, Is(v1::EVENT_KIND_HELD, traced.pid())).held_by(),
            v1::HELD_BY_TRACER);
  EXPECT_EQ(fleet.AwaitEvent("held", 10s, Is(v1::EVENT_KIND_HELD, frozen.pid())).held_by(),
            v1::HELD_BY_FREEZER);
  fleet.AwaitEvent("UNKILLABLE", 30s, [&](const v1::Event& event) {
    return Is(v1::EVENT_KIND_VERDICT, stuck.pid())(event) &&
           event.verdict() == v1::VERDICT_UNKILLABLE;
  });
  EXPECT_TRUE(traced.Running());
  EXPECT_TRUE(frozen.Running());
  for (const v1::Event& event : fleet.Events("kind=term_sent")) {
    EXPECT_NE(event.incarnation().pid(), traced.pid());
    EXPECT_NE(event.incarnation().pid(), frozen.pid());
  }

  // What held them goes, and so do they.
  cgroup.Thaw();
  ASSERT_EQ(ptrace(PTRACE_INTERRUPT, traced.pid(), nullptr, nullptr), 0);
  int status = 0;
  ASSERT_EQ(waitpid(traced.pid(), &status, __WALL), traced.pid());
  ASSERT_EQ(ptrace(PTRACE_DETACH, traced.pid(), nullptr, nullptr), 0);
  disk.Thaw();
  for (Child* child : {&traced, &frozen, &stuck}) EXPECT_TRUE(child->WaitExit(15s));
}

}  // namespace
}  // namespace procctl::e2e
