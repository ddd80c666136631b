// What processes use, as `list -o wide`, `list -o json` and `describe` show it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>
#include <fstream>
#include <sstream>
#include <vector>

#include "tests/e2e/harness/fleet.h"
#include "tests/e2e/harness/guarded_child.h"

namespace procctl::e2e {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

// Longer than any of these tests: nobody here needs to beat.
constexpr auto kTimeout = 300s;

// Bytes, as the kernel tells them now.
int64_t ResidentOf(pid_t pid) {
  std::ifstream statm("/proc/" + std::to_string(pid) + "/statm");
  int64_t size = 0;
  int64_t resident = 0;
  statm >> size >> resident;
  return resident * sysconf(_SC_PAGESIZE);
}

v1::FleetSlot RowOf(Fleet& fleet, pid_t pid) {
  for (v1::FleetSlot& row : fleet.Slots()) {
    if (row.slot().incarnation().pid() == pid) return std::move(row);
  }
  throw HarnessError("no slot of pid " + std::to_string(pid));
}

TEST(Usage, WhoBurnsTheProcessorWhoSleepsAndWhoIsStopped) {
  Fleet fleet({"web-01"});
  fleet.StartController();
  Node& node = fleet.StartNode("web-01");
  fleet.AwaitConnected(1);
  Child burner = GuardedChild(node, "burner", kTimeout, [](procctl_heart* heart) {
    for (;;) procctl_beat(heart);
  });
  Child sleeper = GuardedChild(node, "sleeper", kTimeout, [](procctl_heart*) {
    const std::vector<char> memory(64 << 20, 'x');
    Hang();
    (void)memory;
  });
  Child stopped = GuardedChild(node, "stopped", kTimeout, [](procctl_heart*) { Hang(); });
  stopped.Signal(SIGSTOP);
  for (const Child* child : {&burner, &sleeper, &stopped}) fleet.AwaitSlot(child->pid());

  // Looks again where the machine had no processor to give, or the start was still in the time.
  v1::FleetSlot row;
  Await(
      30s, "over 50% of a processor",
      [&] {
        row = RowOf(fleet, burner.pid());
        return row.usage().cpu_percent() > 50;
      },
      [&] { return row.ShortDebugString(); });
  EXPECT_EQ(row.usage().threads(), 1);
  EXPECT_GE(row.usage().descriptors(), 3);
  Await(
      30s, "no processor time of one that sleeps",
      [&] {
        row = RowOf(fleet, sleeper.pid());
        return row.has_usage() && row.usage().cpu_percent() == 0 &&
               row.usage().resident() > 64 << 20;
      },
      [&] { return row.ShortDebugString(); });
  EXPECT_LT(row.usage().resident(), 2 * ResidentOf(sleeper.pid()));
  EXPECT_GT(row.usage().resident(), ResidentOf(sleeper.pid()) / 2);
  EXPECT_TRUE(RowOf(fleet, stopped.pid()).has_usage());

  const Finished wide = fleet.Cli({"list", "-o", "wide"});
  EXPECT_THAT(wide.out, AllOf(HasSubstr("CPU"), HasSubstr("RSS"), HasSubstr("THREADS"),
                              HasSubstr("FDS"), HasSubstr("MiB")));
  const Finished describe = fleet.Cli({"describe", "web-01/sleeper"});
  EXPECT_THAT(describe.out, AllOf(HasSubstr("Uses:"), HasSubstr(" MiB resident, "),
                                  HasSubstr(" % CPU, 1 thread, ")));
}

TEST(Usage, AGuardianThatHangsCostsItsRowsTheirUsageAndNothingElse) {
  Fleet fleet({"web-01"});
  fleet.StartController();
  Node& node = fleet.StartNode("web-01");
  fleet.AwaitConnected(1);
  Child child = GuardedChild(node, "worker", kTimeout, [](procctl_heart*) { Hang(); });
  fleet.AwaitSlot(child.pid());
  node.guardian().Signal(SIGSTOP);
  const v1::FleetSlot row = RowOf(fleet, child.pid());
  node.guardian().Signal(SIGCONT);
  EXPECT_FALSE(row.has_usage());
  Await(30s, "usage once it goes on", [&] { return RowOf(fleet, child.pid()).has_usage(); });
}

}  // namespace
}  // namespace procctl::e2e
