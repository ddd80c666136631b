// What processes use, as `list -o wide`, `list -o json` and `describe` show it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <fstream>
#include <sstream>
#include <vector>

#include "spdlog/fmt/fmt.h"
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

// Processor time of a process, and when that was so.
struct Moment {
  std::chrono::nanoseconds at{};
  int64_t ticks = 0;
};

Moment Now(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string text;
  std::getline(file, text);
  // The name may hold blanks; fields 14 and 15 are the 12th and 13th behind it.
  std::istringstream fields(text.substr(text.rfind(')') + 1));
  std::string skipped;
  for (int i = 0; i < 11; ++i) fields >> skipped;
  int64_t user = 0;
  int64_t system = 0;
  fields >> user >> system;
  return {SinceBoot(), user + system};
}

double Percent(int64_t ticks, std::chrono::nanoseconds time) {
  return static_cast<double>(ticks) / static_cast<double>(sysconf(_SC_CLK_TCK)) /
         std::chrono::duration<double>(time).count() * 100;
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

  v1::FleetSlot row;
  std::string shares;
  Await(
      60s, "the burner's share of a processor",
      [&] {
        const Moment before = Now(burner.pid());
        (void)RowOf(fleet, burner.pid());
        const Moment between = Now(burner.pid());
        // Nothing is told of a share that is hardly more than the kernel's ticks.
        if (!Eventually(2s, [&] { return Now(burner.pid()).ticks > between.ticks + 20; }))
          return false;
        const Moment again = Now(burner.pid());
        row = RowOf(fleet, burner.pid());
        const Moment after = Now(burner.pid());
        const int percent = row.usage().cpu_percent();
        const double least = Percent(again.ticks - between.ticks, after.at - before.at);
        const double most = Percent(after.ticks - before.ticks, again.at - between.at);
        shares = fmt::format("{}%, by the kernel {:.0f}% to {:.0f}%", percent, least, most);
        // On a host that has no more to give it is over 50 only as far as the kernel says so too.
        return percent > 50 || (least < 50 && percent > least - 5 && percent < most + 5);
      },
      [&] { return shares; });
  EXPECT_EQ(row.usage().threads(), 1);
  EXPECT_GE(row.usage().descriptors(), 3);
  Await(
      60s, "no processor time of one that sleeps",
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
