// What can become of a controller's database: a full disk, a slow one, an old copy put in its
// place, two controllers on copies of one. The history stays whole, or says where it is not.
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "tests/e2e/harness/exactly_once.h"
#include "tests/e2e/harness/fleet.h"
#include "tests/e2e/harness/frozen_disk.h"

namespace procctl::e2e {
namespace {

namespace fs = std::filesystem;

constexpr int kFlashes = 300;

// Writes until nothing more fits.
void Fill(const std::string& file) {
  std::ofstream fill(file, std::ios::binary);
  const std::string block(4096, 'x');
  while (fill.write(block.data(), static_cast<std::streamsize>(block.size())).flush()) {
  }
}

bool IsConnected(Fleet& fleet) {
  const std::vector<v1::Node> nodes = fleet.Nodes();
  return nodes.size() == 1 && nodes[0].state() == v1::NODE_STATE_CONNECTED;
}

size_t CountOf(Fleet& fleet, v1::EventKind kind) {
  size_t count = 0;
  for (const v1::Event& event : fleet.Events()) count += event.kind() == kind ? 1 : 0;
  return count;
}

// Makes events and waits until none waits for its acknowledgement.
void MakeAndAcknowledge(Fleet& fleet, const Node& node) {
  Child maker = MakeEvents(node, kFlashes);
  ASSERT_EQ(maker.WaitExit(60s), 0);
  ASSERT_TRUE(Eventually(30s, [&] {
    const std::vector<v1::Node> nodes = fleet.Nodes();
    return nodes.size() == 1 && nodes[0].events_waiting() == 0;
  }));
}

// The node refuses the controller that was just started, and tells it nothing of what happens.
void ExpectRefused(Fleet& fleet, const Node& node) {
  const std::string of_slots = "node=" + node.id() + " kind=slot_registered,slot_closed";
  const size_t held = fleet.Events(of_slots).size();
  Child maker = MakeEvents(node, 20);
  EXPECT_EQ(maker.WaitExit(30s), 0);
  EXPECT_TRUE(Eventually(60s, [&] {
    return node.Log().find("this node refused a controller") != std::string::npos;
  })) << node.Log();
  EXPECT_TRUE(Throughout(6s, [&] { return fleet.Events(of_slots).size() == held; })) << node.Log();
}

void StartOn(Fleet& fleet, const std::string& state) {
  fleet.SetControllerState(state);
  fleet.StartController();
}

TEST(HistoryFaults, FullDiskOfTheControllerAcknowledgesNothingAndLosesNothing) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root to mount a small disk";
  Fleet fleet({"n1"});
  FrozenDisk disk(fleet.folder());
  if (!disk.usable()) GTEST_SKIP() << disk.why();
  StartOn(fleet, disk.path() + "/controller");
  Node& node = fleet.StartNode("n1");
  fleet.AwaitConnected(1);
  Child maker = MakeEvents(node, kFlashes);
  EXPECT_TRUE(Throughout(300ms, [&] { return maker.Running(); }));
  Fill(disk.path() + "/filler");
  EXPECT_EQ(maker.WaitExit(60s), 0);
  // Reads go on meanwhile, and the node is not taken for lost.
  EXPECT_TRUE(Throughout(5s, [&] { return IsConnected(fleet); }));
  EXPECT_EQ(fleet.Cli({"events", "--newest", "5"}).exit_code, 0);
  fs::remove(disk.path() + "/filler");
  ExpectExactlyOnce(fleet, "n1", kFlashes);
}

TEST(HistoryFaults, SlowDiskOfTheControllerLosesNothing) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root to freeze a disk";
  Fleet fleet({"n1"});
  FrozenDisk disk(fleet.folder());
  if (!disk.usable()) GTEST_SKIP() << disk.why();
  StartOn(fleet, disk.path() + "/controller");
  Node& node = fleet.StartNode("n1");
  fleet.AwaitConnected(1);
  Child maker = MakeEvents(node, kFlashes);
  for (int hiccup = 0; hiccup < 6; ++hiccup) {
    disk.Freeze();
    EXPECT_TRUE(Throughout(700ms, [&] { return fleet.controller().Running(); }));
    disk.Thaw();
    EXPECT_TRUE(Throughout(100ms, [&] { return fleet.controller().Running(); }));
  }
  EXPECT_EQ(maker.WaitExit(60s), 0);
  ExpectExactlyOnce(fleet, "n1", kFlashes);
}

TEST(HistoryFaults, OldCopyIsRefusedByNodesAndARestoredOneNamesItsGap) {
  Fleet fleet({"n1"});
  const std::string state = fleet.folder() + "/state";
  StartOn(fleet, state);
  Node& node = fleet.StartNode("n1");
  fleet.AwaitConnected(1);
  MakeAndAcknowledge(fleet, node);
  const std::string backup = fleet.folder() + "/backup.db";
  const Finished saved = RunToEnd({.argv = {Program("procctl-controller"), "backup", backup,
                                            "--config", fleet.ControllerConfig()}},
                                  30s);
  ASSERT_EQ(saved.exit_code, 0) << saved.out << saved.err;
  fleet.StopController();
  fs::copy(state, state + "-old", fs::copy_options::recursive);
  StartOn(fleet, state);
  fleet.AwaitConnected(1, 30s);
  MakeAndAcknowledge(fleet, node);
  fleet.StopController();

  // As somebody does it who knows no better.
  StartOn(fleet, state + "-old");
  ExpectRefused(fleet, node);
  fleet.StopController();

  const Finished restored = RunToEnd({.argv = {Program("procctl-controller"), "restore", backup,
                                               "--config", fleet.ControllerConfig()}},
                                     30s);
  ASSERT_EQ(restored.exit_code, 0) << restored.out << restored.err;
  StartOn(fleet, state + "-old");
  fleet.AwaitConnected(1, 90s);
  MakeAndAcknowledge(fleet, node);
  ExpectExactlyOnce(fleet, "n1", kFlashes, /*gaps=*/true);
  EXPECT_GE(CountOf(fleet, v1::EVENT_KIND_GAP), 1U);
}

TEST(HistoryFaults, OfTwoControllersOnCopiesOnlyOneIsHeard) {
  Fleet fleet({"n1"});
  const std::string a = fleet.folder() + "/a";
  const std::string b = fleet.folder() + "/b";
  StartOn(fleet, a);
  Node& node = fleet.StartNode("n1");
  fleet.AwaitConnected(1);
  MakeAndAcknowledge(fleet, node);
  fleet.StopController();
  fs::copy(a, b, fs::copy_options::recursive);

  StartOn(fleet, a);
  fleet.AwaitConnected(1, 30s);
  MakeAndAcknowledge(fleet, node);
  fleet.StopController();
  // As often started as the other, and not the same.
  StartOn(fleet, b);
  ExpectRefused(fleet, node);
  fleet.StopController();
  // Started once more it is the newer one: heard from now on, with its gap on record.
  StartOn(fleet, b);
  fleet.AwaitConnected(1, 90s);
  MakeAndAcknowledge(fleet, node);
  ExpectExactlyOnce(fleet, "n1", kFlashes, /*gaps=*/true);
  EXPECT_GE(CountOf(fleet, v1::EVENT_KIND_GAP), 1U);
  fleet.StopController();
  // And the first one is behind.
  StartOn(fleet, a);
  ExpectRefused(fleet, node);
}

}  // namespace
}  // namespace procctl::e2e
