// The guard itself has a hard time: stopped at random, frozen, starved. Nobody else pays for it.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <random>

#include "tests/e2e/harness/cgroup.h"
#include "tests/e2e/harness/fleet.h"
#include "tests/e2e/harness/moody_children.h"

namespace procctl::e2e {
namespace {

void ExpectNobodySignalled(Fleet& fleet, MoodyChildren& children) {
  EXPECT_EQ(children.Running(), children.size());
  for (const v1::Event& event : fleet.Events()) {
    EXPECT_NE(event.kind(), v1::EVENT_KIND_TERM_SENT) << event.ShortDebugString();
    EXPECT_NE(event.kind(), v1::EVENT_KIND_KILL_SENT) << event.ShortDebugString();
  }
}

// And afterwards it guards as before.
void ExpectItStillGuards(Fleet& fleet, MoodyChildren& children) {
  children.Set(0, MoodyChildren::Mood::kSilent);
  EXPECT_TRUE(children[0].WaitExit(20s));
  fleet.AwaitEvent("verdict", 10s, Is(v1::EVENT_KIND_VERDICT, children[0].pid()));
}

TEST(GuardUnderStress, TwentyRandomStopsKillNobody) {
  Fleet fleet({"n1"});
  fleet.StartController();
  Node& node = fleet.StartNode("n1");
  MoodyChildren children(node, "w", 10, 1s);
  fleet.AwaitConnected(1);
  std::mt19937 random(20261125);
  std::uniform_int_distribution<int> stopped_ms(100, 8000), running_ms(50, 1500);
  const auto pause = [&](int milliseconds) {
    EXPECT_TRUE(Throughout(std::chrono::milliseconds(milliseconds),
                           [&] { return children.Running() == children.size(); }));
  };
  for (int i = 0; i < 20; ++i) {
    node.guardian().Signal(SIGSTOP);
    pause(stopped_ms(random));
    node.guardian().Signal(SIGCONT);
    pause(running_ms(random));
  }
  ExpectNobodySignalled(fleet, children);
  ExpectItStillGuards(fleet, children);
}

TEST(GuardUnderStress, FrozenWithItsClientsAndThawedBeforeThemItKillsNobody) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root to freeze a cgroup";
  Cgroup guards("guards"), clients("clients");
  if (!guards.usable()) GTEST_SKIP() << guards.why();
  Fleet fleet({"n1"});
  fleet.StartController();
  Node& node = fleet.StartNode("n1");
  MoodyChildren children(node, "w", 10, 1s);
  fleet.AwaitConnected(1);
  guards.Add(node.guardian().pid());
  for (int i = 0; i < children.size(); ++i) clients.Add(children[i].pid());

  // First the guard, last the clients: the worst order for them.
  clients.Freeze();
  guards.Freeze();
  EXPECT_TRUE(Throughout(5s, [&] { return children.Running() == children.size(); }));
  guards.Thaw();
  EXPECT_TRUE(Throughout(400ms, [&] { return children.Running() == children.size(); }));
  clients.Thaw();
  EXPECT_TRUE(Throughout(3s, [&] { return children.Running() == children.size(); }));
  ExpectNobodySignalled(fleet, children);
  ExpectItStillGuards(fleet, children);
}

}  // namespace
}  // namespace procctl::e2e
