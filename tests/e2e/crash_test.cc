// Halves that die: no event is lost or doubled, and enforcement asks nobody's leave.
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <map>
#include <set>

#include "tests/e2e/harness/fleet.h"
#include "tests/e2e/harness/guarded_child.h"

namespace procctl::e2e {
namespace {

constexpr int kFlashes = 500;  // each is two events: SLOT_REGISTERED and SLOT_CLOSED

// A process that makes 1,000 events in about two seconds.
Child MakeEvents(const Node& node) {
  return Child::Fork([&] {
    for (int i = 0; i < kFlashes; ++i) {
      procctl_heart heart = PROCCTL_HEART_INIT;
      // A name of its own each: the same name again would take the slot over, without an event.
      if (OpenHeart(&heart, node, "flash" + std::to_string(i), 60s) != 0) return 1;
      procctl_close(&heart);
      usleep(3000);
    }
    usleep(500000);  // closing is seen at the next scan; a process that ends before it is just gone
    return 0;
  });
}

// Every event of the node is there exactly once: seq 1, 2, 3 ... of each epoch, and all that were
// made.
void ExpectExactlyOnce(Fleet& fleet, const std::string& node) {
  std::vector<v1::Event> events;
  const auto flashes = [&] {
    size_t count = 0;
    for (const v1::Event& event : events) {
      count +=
          event.name().starts_with("flash") && (event.kind() == v1::EVENT_KIND_SLOT_REGISTERED ||
                                                event.kind() == v1::EVENT_KIND_SLOT_CLOSED)
              ? 1
              : 0;
    }
    return count;
  };
  EXPECT_TRUE(Eventually(20s,
                         [&] {
                           events = fleet.Events();
                           return flashes() >= 2 * kFlashes;
                         }))
      << flashes() << " of " << 2 * kFlashes;
  EXPECT_EQ(flashes(), static_cast<size_t>(2 * kFlashes));

  std::map<int64_t, std::vector<int64_t>> by_epoch;
  for (const v1::Event& event : events) {
    EXPECT_NE(event.kind(), v1::EVENT_KIND_EVENTS_LOST) << event.ShortDebugString();
    if (event.id().origin() == node) by_epoch[event.id().epoch()].push_back(event.id().seq());
  }
  for (const auto& [epoch, numbers] : by_epoch) {
    for (size_t i = 0; i < numbers.size(); ++i) {
      ASSERT_EQ(numbers[i], static_cast<int64_t>(i + 1)) << "epoch " << epoch;
    }
  }
}

TEST(Crash, KilledControllerHasEveryEventExactlyOnceAfterwards) {
  Fleet fleet({"n1"});
  fleet.StartController();
  Node& node = fleet.StartNode("n1");
  fleet.AwaitConnected(1);
  Child maker = MakeEvents(node);
  for (int crash = 0; crash < 2; ++crash) {
    EXPECT_TRUE(Throughout(600ms, [&] { return maker.Running(); }))
        << "it must crash in the middle";
    fleet.controller().Kill();
    fleet.StartController();
  }
  const std::optional<int> made = maker.WaitExit(30s);
  ASSERT_TRUE(made && *made == 0);
  fleet.AwaitConnected(1, 20s);
  ExpectExactlyOnce(fleet, "n1");
}

TEST(Crash, KilledUplinkIsBackInASecondAndNothingIsLost) {
  Fleet fleet({"n1"});
  fleet.StartController();
  Node& node = fleet.StartNode("n1");
  fleet.AwaitConnected(1);
  Child maker = MakeEvents(node);
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
  ExpectExactlyOnce(fleet, "n1");
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
