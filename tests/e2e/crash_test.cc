// Halves that die: no event is lost or doubled, and enforcement asks nobody's leave.
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include "tests/e2e/harness/exactly_once.h"
#include "tests/e2e/harness/fleet.h"

namespace procctl::e2e {
namespace {

constexpr int kFlashes = 500;

TEST(Crash, KilledControllerHasEveryEventExactlyOnceAfterwards) {
  Fleet fleet({"n1"});
  fleet.StartController();
  Node& node = fleet.StartNode("n1");
  fleet.AwaitConnected(1);
  Child maker = MakeEvents(node, kFlashes);
  for (int crash = 0; crash < 2; ++crash) {
    EXPECT_TRUE(Throughout(600ms, [&] { return maker.Running(); }))
        << "it must crash in the middle";
    fleet.controller().Kill();
    fleet.StartController();
  }
  const std::optional<int> made = maker.WaitExit(30s);
  ASSERT_TRUE(made && *made == 0);
  fleet.AwaitConnected(1, 20s);
  ExpectExactlyOnce(fleet, "n1", kFlashes);
}

TEST(Crash, KilledUplinkIsBackInASecondAndNothingIsLost) {
  Fleet fleet({"n1"});
  fleet.StartController();
  Node& node = fleet.StartNode("n1");
  fleet.AwaitConnected(1);
  Child maker = MakeEvents(node, kFlashes);
  EXPECT_TRUE(Throughout(600ms, [&] { return maker.Running(); }));
  const pid_t uplink = node.UplinkPid();
  ASSERT_GT(uplink, 1);
  const int pidfd = static_cast<int>(syscall(SYS_pidfd_open, uplink, 0));
  ASSERT_GE(pidfd, 0);
  ASSERT_EQ(node.UplinkPid(), uplink) << "still the guardian's child, hence the right process";
  ASSERT_EQ(syscall(SYS_pidfd_send_signal, pidfd, SIGKILL, nullptr, 0), 0);
  close(pidfd);
  EXPECT_TRUE(Eventually(1s, [&] {
    const pid_t now = node.UplinkPid();
    return now > 1 && now != uplink;
  }));
  const std::optional<int> made = maker.WaitExit(30s);
  ASSERT_TRUE(made && *made == 0);
  fleet.AwaitConnected(1, 20s);
  ExpectExactlyOnce(fleet, "n1", kFlashes);
  fleet.AwaitEvent("uplink restarted", 5s, Is(v1::EVENT_KIND_UPLINK_RESTARTED));
}

TEST(Crash, WithoutAControllerTheSameKillsHappen) {
  Fleet fleet({"n1"});
  fleet.StartController();
  NodeOptions options;
  options.grace = "1s";
  Node& node = fleet.StartNode("n1", options);
  Child& polite = fleet.StartProgram(
      node, {"worker", "--name", "polite", "--timeout-ms", "1000", "--threads", "1"});
  Child& mule = fleet.StartProgram(node, {"stubborn", "--name", "mule", "--timeout-ms", "1000"});
  Child& healthy = fleet.StartProgram(
      node, {"worker", "--name", "healthy", "--timeout-ms", "1000", "--threads", "1"});
  fleet.AwaitConnected(1);

  fleet.controller().Kill();
  polite.Signal(SIGUSR1);
  mule.Signal(SIGUSR1);
  EXPECT_TRUE(polite.WaitExit(3s));
  EXPECT_TRUE(mule.WaitExit(5s));
  EXPECT_TRUE(healthy.Running());

  fleet.StartController();
  fleet.AwaitConnected(1, 20s);
  EXPECT_EQ(fleet.AwaitEvent("verdict", 5s, Is(v1::EVENT_KIND_VERDICT, polite.pid())).verdict(),
            v1::VERDICT_EXITED_ON_TERM);
  EXPECT_EQ(fleet.AwaitEvent("verdict", 5s, Is(v1::EVENT_KIND_VERDICT, mule.pid())).verdict(),
            v1::VERDICT_KILLED);
}

TEST(Crash, NodeThatStartsWithoutAControllerReportsLater) {
  Fleet fleet({"n1"});
  fleet.StartController();
  fleet.controller().Kill();
  Node& node = fleet.StartNode("n1");
  Child& worker = fleet.StartProgram(
      node, {"worker", "--name", "early", "--timeout-ms", "1000", "--threads", "1"});
  worker.Signal(SIGUSR1);
  EXPECT_TRUE(worker.WaitExit(4s));
  fleet.StartController();
  fleet.AwaitConnected(1, 20s);
  fleet.AwaitEvent("verdict", 5s, Is(v1::EVENT_KIND_VERDICT, worker.pid()));
}

}  // namespace
}  // namespace procctl::e2e
