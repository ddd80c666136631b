// A host that is busy beyond its means: whoever is only slow is not stopped.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <thread>
#include <vector>

#include "tests/e2e/harness/fleet.h"
#include "tests/e2e/harness/moody_children.h"

namespace procctl::e2e {
namespace {

TEST(BusyHost, EightBusyLoopsACoreKillNobodyHealthy) {
  Fleet fleet({"n1"});
  fleet.StartController();
  Node& node = fleet.StartNode("n1");
  MoodyChildren children(node, "w", 10, 5s);
  fleet.AwaitConnected(1);
  {
    std::vector<Child> busy;
    for (unsigned i = 0; i < 8 * std::max(1U, std::thread::hardware_concurrency()); ++i) {
      busy.push_back(Child::Fork([] {
        std::atomic<uint64_t> spins{0};
        while (true) ++spins;
        return 0;
      }));
    }
    EXPECT_TRUE(Throughout(15s, [&] { return children.Running() == children.size(); }));
  }
  EXPECT_EQ(fleet.Events("kind=term_sent,kill_sent").size(), 0u);
  // And afterwards it guards as before.
  children.Set(0, MoodyChildren::Mood::kSilent);
  EXPECT_TRUE(children[0].WaitExit(20s));
}

}  // namespace
}  // namespace procctl::e2e
