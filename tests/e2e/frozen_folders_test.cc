// The disks that the node itself writes to stop answering: state and log. Kills go on.
#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>
#include <map>

#include "proto/support/time_convert.h"
#include "tests/e2e/harness/fleet.h"
#include "tests/e2e/harness/frozen_disk.h"

namespace procctl::e2e {
namespace {

TEST(FrozenFolders, ForAMinuteHungOnesDieOnTimeAndEveryEventIsThereOnceAfterwards) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root to freeze a file system";
  Fleet fleet({"n1"});
  FrozenDisk disk(fleet.folder());
  if (!disk.usable()) GTEST_SKIP() << disk.why();
  fleet.StartController();
  NodeOptions options;
  options.grace = "1s";
  options.disk = disk.path();
  Node& node = fleet.StartNode("n1", options);
  fleet.AwaitConnected(1);
  std::vector<Child*> workers;
  for (int i = 0; i < 12; ++i) {
    workers.push_back(&fleet.StartProgram(node, {"worker", "--name", "w" + std::to_string(i),
                                                 "--timeout-ms", "1000", "--threads", "1"}));
  }
  disk.Freeze();
  const auto frozen_at = SinceBoot();
  // One hangs every five seconds: each is stopped in its time although nothing can be written.
  for (Child* worker : workers) {
    worker->Signal(SIGUSR1);
    EXPECT_TRUE(worker->WaitExit(4s)) << "it was not stopped on time";
    EXPECT_TRUE(
        Throughout(std::max(1ms, 5000ms - 1500ms), [&] { return node.guardian().Running(); }));
  }
  while (SinceBoot() - frozen_at < 60s)
    ASSERT_TRUE(Throughout(200ms, [&] { return node.guardian().Running(); }));
  disk.Thaw();

  for (Child* worker : workers)
    fleet.AwaitEvent("verdict", 30s, Is(v1::EVENT_KIND_VERDICT, worker->pid()));
  std::map<std::pair<int64_t, int64_t>, int> seen;
  std::map<int64_t, int64_t> last;
  for (const v1::Event& event : fleet.Events()) {
    if (event.id().origin() != "n1") continue;
    EXPECT_NE(event.kind(), v1::EVENT_KIND_EVENTS_LOST) << event.ShortDebugString();
    EXPECT_EQ(++seen[std::pair(event.id().epoch(), event.id().seq())], 1);
    last[event.id().epoch()] = std::max(last[event.id().epoch()], event.id().seq());
  }
  for (const auto& [epoch, seq] : last) {
    for (int64_t i = 1; i <= seq; ++i) EXPECT_EQ(seen.count({epoch, i}), 1u) << epoch << ":" << i;
  }
}

}  // namespace
}  // namespace procctl::e2e
