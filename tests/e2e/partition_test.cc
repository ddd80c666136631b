// The wire between a node and its controller fails: silently, one way, or with resets. Nobody is
// killed for it, nothing is lost, and what is shown says how old it is.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>

#include "tests/e2e/harness/exactly_once.h"
#include "tests/e2e/harness/fleet.h"
#include "tests/e2e/harness/split_network.h"

namespace procctl::e2e {
namespace {

using Way = SplitNetwork::Way;

size_t Descriptors(pid_t pid) {
  size_t count = 0;
  std::error_code gone;
  for (const auto& entry :
       std::filesystem::directory_iterator("/proc/" + std::to_string(pid) + "/fd", gone)) {
    (void)entry;
    ++count;
  }
  return count;
}

std::string OpenFiles(pid_t pid) {
  std::string files;
  std::error_code gone;
  for (const auto& entry :
       std::filesystem::directory_iterator("/proc/" + std::to_string(pid) + "/fd", gone)) {
    files += std::filesystem::read_symlink(entry.path(), gone).string() + "\n";
  }
  return files;
}

NodeOptions OnTheNodeSide(const SplitNetwork& network) {
  NodeOptions options;
  options.prepare = network.NodeSide();
  return options;
}

v1::NodeState StateOf(Fleet& fleet) {
  const std::vector<v1::Node> nodes = fleet.Nodes();
  return nodes.size() == 1 ? nodes[0].state() : v1::NODE_STATE_UNSPECIFIED;
}

class Partition : public testing::Test {
 protected:
  void SetUp() override {
    if (!network_.usable()) GTEST_SKIP() << network_.why();
  }

  // The node vanishes and comes back; `busy`: with events on their way at that moment.
  void VanishAndReturn(bool busy);

  SplitNetwork network_;
};

void Partition::VanishAndReturn(bool busy) {
  constexpr int kFlashes = 2000;
  Fleet fleet({"n1"}, &network_);
  fleet.StartController();
  NodeOptions options = OnTheNodeSide(network_);
  options.programs = "  - {name: steady, command: [/bin/sleep, '3600'], door: none}";
  Node& node = fleet.StartNode("n1", options);
  Child& worker = fleet.StartProgram(
      node, {"worker", "--name", "healthy", "--timeout-ms", "2000", "--threads", "1"});
  fleet.AwaitConnected(1);
  (void)fleet.AwaitSlot(worker.pid());
  const pid_t uplink = node.UplinkPid();
  // What is opened with the first events is not a leak.
  EXPECT_EQ(MakeEvents(node, 50).WaitExit(30s), 0);
  const size_t of_controller = Descriptors(fleet.controller().pid());
  const size_t of_uplink = Descriptors(uplink);

  Child maker;
  if (busy) {
    maker = MakeEvents(node, kFlashes);
    EXPECT_TRUE(Throughout(1000ms, [&] { return maker.Running(); }));
  }
  const auto cut_at = std::chrono::steady_clock::now();
  network_.Cut(Way::kBoth);
  Await(40s, "SUSPECT", [&] { return StateOf(fleet) == v1::NODE_STATE_SUSPECT; });
  const auto took = std::chrono::steady_clock::now() - cut_at;
  RecordProperty("suspect_after_ms",
                 std::chrono::duration_cast<std::chrono::milliseconds>(took).count());
  EXPECT_LT(took, 30s);
  for (const v1::FleetSlot& row : fleet.Slots()) {
    EXPECT_EQ(row.freshness(), v1::FRESHNESS_STALE) << row.ShortDebugString();
  }

  const auto healed_at = std::chrono::steady_clock::now();
  network_.Heal();
  Await(60s, "CONNECTED", [&] { return StateOf(fleet) == v1::NODE_STATE_CONNECTED; });
  RecordProperty("connected_after_ms", std::chrono::duration_cast<std::chrono::milliseconds>(
                                           std::chrono::steady_clock::now() - healed_at)
                                           .count());

  EXPECT_TRUE(worker.Running());
  EXPECT_EQ(node.UplinkPid(), uplink);
  if (busy) {
    EXPECT_EQ(maker.WaitExit(60s), 0);
    ExpectExactlyOnce(fleet, "n1", kFlashes + 50);
  }
  for (const v1::Event& event : fleet.Events()) {
    EXPECT_NE(event.kind(), v1::EVENT_KIND_VERDICT) << event.ShortDebugString();
    EXPECT_NE(event.kind(), v1::EVENT_KIND_TERM_SENT) << event.ShortDebugString();
    EXPECT_NE(event.kind(), v1::EVENT_KIND_PROGRAM_ENDED) << event.ShortDebugString();
    EXPECT_NE(event.kind(), v1::EVENT_KIND_UPLINK_RESTARTED) << event.ShortDebugString();
  }
  // A connection of a client that has just gone may still be on its way out.
  EXPECT_TRUE(Eventually(60s,
                         [&] {
                           return Descriptors(fleet.controller().pid()) <= of_controller &&
                                  Descriptors(uplink) <= of_uplink;
                         }))
      << "controller: " << of_controller << ", now " << Descriptors(fleet.controller().pid())
      << "; uplink: " << of_uplink << ", now " << Descriptors(uplink) << "\n"
      << OpenFiles(uplink);
}

TEST_F(Partition, IdleNodeThatVanishesIsSuspectAndComesBackUnharmed) { VanishAndReturn(false); }

TEST_F(Partition, NodeThatVanishesWithDataInFlightLosesNothing) { VanishAndReturn(true); }

TEST_F(Partition, EveryKindOfBrokenWireLeavesEachEventExactlyOnce) {
  constexpr int kFlashes = 3000;
  Fleet fleet({"n1"}, &network_);
  fleet.StartController();
  Node& node = fleet.StartNode("n1", OnTheNodeSide(network_));
  fleet.AwaitConnected(1);
  Child maker = MakeEvents(node, kFlashes);
  const std::string port = fleet.address().substr(fleet.address().rfind(':') + 1);
  for (const Way way : {Way::kBoth, Way::kToController, Way::kToNode}) {
    EXPECT_TRUE(Throughout(700ms, [&] { return maker.Running(); }));
    network_.Cut(way);
    EXPECT_TRUE(Throughout(2000ms, [&] { return maker.Running(); }));
    network_.Heal();
    for (int reset = 0; reset < 2; ++reset) {
      (void)Throughout(300ms, [] { return true; });
      network_.ResetConnections(port);
    }
  }
  EXPECT_EQ(maker.WaitExit(90s), 0);
  ExpectExactlyOnce(fleet, "n1", kFlashes);
}

}  // namespace
}  // namespace procctl::e2e
