// The ladder with the real programs: SIGTERM, the grace, SIGKILL, each target on its own time.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <set>

#include "proto/support/time_convert.h"
#include "tests/e2e/harness/fleet.h"
#include "tests/e2e/harness/frozen_disk.h"
#include "tests/e2e/harness/guarded_child.h"
#include "tests/e2e/harness/signal_oracle.h"

namespace procctl::e2e {
namespace {

// SIGKILL came 5.0 to 5.3 s after this process's own SIGTERM, by the guardian's own clock.
void ExpectKilledAfterGrace(const std::vector<v1::Event>& events, pid_t pid) {
  const auto waited = At(The(events, v1::EVENT_KIND_KILL_SENT, pid)) -
                      At(The(events, v1::EVENT_KIND_TERM_SENT, pid));
  EXPECT_GE(waited, 5000ms) << "pid " << pid;
  EXPECT_LE(waited, 5300ms) << "pid " << pid;
}

TEST(Ladder, ThirtyStubbornProcessesEachGetSigkillAfterTheirOwnGrace) {
  constexpr int kProcesses = 30;
  Fleet fleet({"n1"});
  fleet.StartController();
  Node& node = fleet.StartNode("n1");
  Child& healthy = fleet.StartProgram(
      node, {"worker", "--name", "healthy", "--timeout-ms", "1000", "--threads", "2"});
  std::vector<Child*> stubborn;
  for (int i = 0; i < kProcesses; ++i) {
    stubborn.push_back(&fleet.StartProgram(
        node, {"stubborn", "--name", "mule" + std::to_string(i), "--timeout-ms", "1000"}));
  }
  fleet.AwaitConnected(1);
  for (Child* child : stubborn) child->Signal(SIGUSR1);

  for (Child* child : stubborn) {
    const std::optional<int> status = child->WaitExit(15s);
    ASSERT_TRUE(status) << "pid " << child->pid() << " still runs";
    EXPECT_TRUE(WIFSIGNALED(*status) && WTERMSIG(*status) == SIGKILL);
  }
  fleet.AwaitEvent("last verdict", 5s, [&, seen = 0](const v1::Event& event) mutable {
    seen += event.kind() == v1::EVENT_KIND_VERDICT ? 1 : 0;
    return seen == kProcesses;
  });
  const std::vector<v1::Event> events = fleet.Events();
  for (Child* child : stubborn) {
    ExpectKilledAfterGrace(events, child->pid());
    const v1::Event& verdict = The(events, v1::EVENT_KIND_VERDICT, child->pid());
    EXPECT_EQ(verdict.verdict(), v1::VERDICT_KILLED);
    EXPECT_TRUE(verdict.kill_sent());
    const auto limit = FromProto(The(events, v1::EVENT_KIND_HUNG, child->pid()).silence());
    EXPECT_LE(limit, 1000ms + 250ms) << "hung is noticed within two scans and 50 ms";
  }
  EXPECT_TRUE(healthy.Running());
}

TEST(Ladder, ProcessInUninterruptibleSleepDelaysNobody) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root to freeze a file system";
  Fleet fleet({"n1"});
  FrozenDisk disk(fleet.folder());
  if (!disk.usable()) GTEST_SKIP() << disk.why();
  fleet.StartController();
  Node& node = fleet.StartNode("n1");
  fleet.AwaitConnected(1);
  const std::string file = disk.path() + "/file";
  Child stuck = GuardedChild(node, "writer", 1000ms, [&](procctl_heart* heart) {
    const int fd = open(file.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    while (true) {  // as the disk freezes, one of these never returns
      procctl_beat(heart);
      if (write(fd, "x", 1) != 1 || lseek(fd, 0, SEEK_SET) != 0) return;
      usleep(10000);
    }
  });
  std::vector<Child*> others;
  for (int i = 0; i < 3; ++i) {
    others.push_back(&fleet.StartProgram(
        node, {"stubborn", "--name", "mule" + std::to_string(i), "--timeout-ms", "1000"}));
  }
  disk.Freeze();
  for (Child* child : others) child->Signal(SIGUSR1);

  for (Child* child : others) ASSERT_TRUE(child->WaitExit(15s));
  fleet.AwaitEvent("UNKILLABLE", 20s, [&](const v1::Event& event) {
    return Is(v1::EVENT_KIND_VERDICT, stuck.pid())(event) &&
           event.verdict() == v1::VERDICT_UNKILLABLE;
  });
  const std::vector<v1::Event> events = fleet.Events();
  for (Child* child : others) ExpectKilledAfterGrace(events, child->pid());
  ExpectKilledAfterGrace(events, stuck.pid());
  EXPECT_EQ(fleet.AwaitSlot(stuck.pid()).slot().state(), v1::SLOT_STATE_UNKILLABLE);

  disk.Thaw();
  fleet.AwaitEvent("KILLED after the thaw", 10s, [&](const v1::Event& event) {
    return Is(v1::EVENT_KIND_VERDICT, stuck.pid())(event) && event.verdict() == v1::VERDICT_KILLED;
  });
}

TEST(Ladder, StoppedProcessCanStillObeySigterm) {
  Fleet fleet({"n1"});
  fleet.StartController();
  Node& node = fleet.StartNode("n1");
  fleet.AwaitConnected(1);
  Child& worker = fleet.StartProgram(
      node, {"worker", "--name", "api", "--timeout-ms", "1000", "--threads", "1"});
  worker.Signal(SIGSTOP);  // it hangs, and could not even receive a SIGTERM alone
  const std::optional<int> status = worker.WaitExit(5s);
  ASSERT_TRUE(status);
  EXPECT_TRUE(WIFEXITED(*status)) << "SIGCONT follows SIGTERM, so that it may end in good order";
  const v1::Event verdict =
      fleet.AwaitEvent("verdict", 5s, Is(v1::EVENT_KIND_VERDICT, worker.pid()));
  EXPECT_EQ(verdict.verdict(), v1::VERDICT_EXITED_ON_TERM);
}

// What the guardian says it did and what the kernel says it did are the same list.
TEST(Ladder, EventsAndTheKernelTellTheSameStory) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root to trace signals";
  SignalOracle oracle;
  if (!oracle.usable()) GTEST_SKIP() << oracle.why();
  Fleet fleet({"n1"});
  fleet.StartController();
  NodeOptions options;
  options.grace = "1s";
  Node& node = fleet.StartNode("n1", options);
  fleet.AwaitConnected(1);
  Child& polite = fleet.StartProgram(
      node, {"worker", "--name", "polite", "--timeout-ms", "1000", "--threads", "1"});
  Child& mule = fleet.StartProgram(node, {"stubborn", "--name", "mule", "--timeout-ms", "1000"});
  Child& healthy = fleet.StartProgram(
      node, {"worker", "--name", "healthy", "--timeout-ms", "1000", "--threads", "1"});
  polite.Signal(SIGUSR1);
  mule.Signal(SIGUSR1);
  fleet.AwaitEvent("verdict", 10s, Is(v1::EVENT_KIND_VERDICT, polite.pid()));
  fleet.AwaitEvent("verdict", 10s, Is(v1::EVENT_KIND_VERDICT, mule.pid()));

  std::multiset<std::pair<pid_t, int>> told, traced;
  for (const v1::Event& event : fleet.Events()) {
    if (event.kind() == v1::EVENT_KIND_TERM_SENT) told.insert({event.incarnation().pid(), SIGTERM});
    if (event.kind() == v1::EVENT_KIND_KILL_SENT) told.insert({event.incarnation().pid(), SIGKILL});
  }
  for (const SentSignal& sent : oracle.SentBy(node.guardian().pid())) {
    traced.insert({sent.target, sent.signal});
  }
  EXPECT_EQ(told, traced);
  EXPECT_EQ(told.size(), 3u);
  EXPECT_TRUE(healthy.Running());
}

}  // namespace
}  // namespace procctl::e2e
