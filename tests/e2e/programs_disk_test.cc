// The disks that a node and its programs write to stop answering, or are full: programs are
// watched, killed and started again all the same, and what could not be written is said.
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <string>

#include "tests/e2e/harness/fleet.h"
#include "tests/e2e/harness/frozen_disk.h"
#include "tests/e2e/harness/wait.h"

namespace procctl::e2e {
namespace {

// One that crashes twice a second and writes before, and one that hangs after each start.
std::string Programs(const std::string& output) {
  return "  - name: crasher\n"
         "    shell: 'for i in 1 2 3 4 5 6 7 8; do echo line $i of $PROCCTL_RUN; done; sleep 0.3; "
         "exit 3'\n"
         "    backoff: {first: 0s}\n"
         "    intensity: {starts: 100000, within: 1h}\n"
         "    output: {stdout: " +
         output +
         "}\n"
         "  - name: hanger\n"
         "    command: [" +
         Program("notifier") +
         "]\n"
         "    door: notify\n"
         "    watchdog: 1s\n"
         "    backoff: {first: 0s}\n"
         "    intensity: {starts: 100000, within: 1h}\n";
}

size_t Count(Fleet& fleet, const std::string& filter) { return fleet.Events(filter).size(); }

TEST(ProgramsOnBadDisks, FrozenOnesHoldUpNeitherKillsNorStarts) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root to freeze a file system";
  Fleet fleet({"n1"});
  FrozenDisk disk(fleet.folder());
  if (!disk.usable()) GTEST_SKIP() << disk.why();
  fleet.StartController();
  NodeOptions options;
  options.grace = "1s";
  options.disk = disk.path();
  options.programs = Programs(disk.path() + "/crasher.log");
  Node& node = fleet.StartNode("n1", options);
  fleet.AwaitConnected(1);
  fleet.AwaitEvent("the first crash", 20s, Is(v1::EVENT_KIND_PROGRAM_ENDED));
  disk.Freeze();
  const size_t crashes = Count(fleet, "kind=program_ended program=crasher");
  const size_t hangs = Count(fleet, "kind=program_ended program=hanger");
  // Far more than what a pipe and the logger's queue take at once would hide.
  EXPECT_TRUE(Eventually(60s,
                         [&] {
                           return Count(fleet, "kind=program_ended program=crasher") >=
                                      crashes + 10 &&
                                  Count(fleet, "kind=program_ended program=hanger") >= hangs + 3;
                         }))
      << "crashes " << Count(fleet, "kind=program_ended program=crasher") - crashes << ", hangs "
      << Count(fleet, "kind=program_ended program=hanger") - hangs;
  EXPECT_TRUE(node.guardian().Running());
  disk.Thaw();
  // It is written again: a line of a run that began after the thaw.
  const size_t thawed = Count(fleet, "kind=program_ended program=crasher");
  EXPECT_TRUE(Eventually(
      60s, [&] { return Count(fleet, "kind=program_ended program=crasher") >= thawed + 3; }));
  const std::string run = fleet.Events("kind=program_ended program=crasher").back().run();
  EXPECT_TRUE(Eventually(30s, [&] {
    return ReadFile(disk.path() + "/crasher.log").find("line 8 of " + run) != std::string::npos;
  })) << run;
}

TEST(ProgramsOnBadDisks, AFullOneStopsNoProgramAndIsSaid) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root to mount a file system";
  Fleet fleet({"n1"});
  const std::string folder = fleet.folder() + "/small";
  mkdir(folder.c_str(), 0755);
  if (mount("tmpfs", folder.c_str(), "tmpfs", 0, "size=64k") != 0)
    GTEST_SKIP() << "no tmpfs can be mounted here";
  {
    fleet.StartController();
    NodeOptions options;
    options.grace = "1s";
    options.programs =
        "  - name: writer\n"
        "    shell: 'i=0; while :; do i=$((i+1)); echo line $i: this fills the disk; sleep 0.001; "
        "done'\n"
        "    output: {stdout: " +
        folder + "/writer.log}\n";
    Node& node = fleet.StartNode("n1", options);
    fleet.AwaitConnected(1);
    const v1::Event started =
        fleet.AwaitEvent("its start", 20s, Is(v1::EVENT_KIND_PROGRAM_STARTED));
    EXPECT_TRUE(Eventually(60s, [&] {
      return node.Log().find("the output of writer cannot be written") != std::string::npos;
    }));
    const auto rows = fleet.Programs();
    ASSERT_EQ(rows.size(), 1u);
    EXPECT_EQ(rows[0].program().state(), v1::PROGRAM_STATE_RUNNING);
    EXPECT_EQ(rows[0].program().incarnation().pid(), started.incarnation().pid());
    EXPECT_NE(fleet.Cli({"logs", "n1/writer", "--tail", "1"}).exit_code, 2);
    EXPECT_EQ(fleet.Cli({"stop", "n1/writer", "--reason", "the test is over"}).exit_code, 0);
    EXPECT_TRUE(Eventually(20s, [&] {
      return fleet.Programs().at(0).program().state() == v1::PROGRAM_STATE_STOPPED;
    }));
    node.guardian().Signal(SIGINT);
    EXPECT_TRUE(node.guardian().WaitExit(30s));
  }
  EXPECT_TRUE(Eventually(10s, [&] { return umount(folder.c_str()) == 0; }));
}

}  // namespace
}  // namespace procctl::e2e
