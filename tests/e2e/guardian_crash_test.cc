// kill -9 of the guardian, again and again, with everything in flight: nobody is harmed, nobody is
// forgotten.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_join.h"
#include "proto/support/time_convert.h"
#include "tests/e2e/harness/classic_rows.h"
#include "tests/e2e/harness/fleet.h"
#include "tests/e2e/harness/guarded_child.h"
#include "tests/e2e/harness/moody_children.h"
#include "tests/e2e/harness/signal_oracle.h"

namespace procctl::e2e {
namespace {

using Mood = MoodyChildren::Mood;

int Rounds() {
  const char* wanted = std::getenv("PROCCTL_TEST_ROUNDS");
  return wanted == nullptr ? 25 : std::max(1, std::atoi(wanted));
}

void KillAndRestart(Fleet& fleet, const NodeOptions& options) {
  fleet.node("n1").guardian().Kill();
  fleet.StartNode("n1", options);
}

TEST(GuardianCrash, KilledAtRandomInstantsItHarmsNobodyAndForgetsNobody) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root to trace signals";
  SignalOracle oracle;
  if (!oracle.usable()) GTEST_SKIP() << oracle.why();
  constexpr int kHealthy = 150;
  constexpr int kVictims = 50;
  Fleet fleet({"n1"});
  fleet.StartController();
  NodeOptions options;
  options.grace = "1s";
  Node& node = fleet.StartNode("n1", options);
  fleet.AwaitConnected(1);
  MoodyChildren healthy(node, "healthy", kHealthy, 5s);
  const auto victims = [&](int round) {
    return std::make_unique<MoodyChildren>(node, "victim-" + std::to_string(round), kVictims / 2,
                                           2s);
  };
  // Two lists of victims, so that there are always some in each stage; every other one ignores
  // SIGTERM.
  auto polite = victims(0);
  auto mules = std::make_unique<MoodyChildren>(node, "mule-0", kVictims / 2, 2s, true);
  std::set<pid_t> doomed;
  // Orders under way, each from a procctl-cli of its own.
  std::vector<Child> orders;
  std::mt19937 random(20261125);
  std::uniform_int_distribution<int> alive_ms(20, 900);
  int next = 0;
  int mule_round = 0;
  const int rounds = Rounds();
  for (int round = 1; round <= rounds; ++round) {
    // One of each kind hangs, and one of each is ordered to stop, while the guardian dies and comes
    // back.
    if (next == kVictims / 2) {
      for (int i = 0; i < kVictims / 2; ++i) {
        EXPECT_TRUE((*polite)[i].WaitExit(20s)) << "a hung one was forgotten";
        EXPECT_TRUE((*mules)[i].WaitExit(20s)) << "a hung one was forgotten";
      }
      polite = victims(round);
      mules = std::make_unique<MoodyChildren>(node, "mule-" + std::to_string(round), kVictims / 2,
                                              2s, true);
      next = 0;
      mule_round = round;
    }
    for (MoodyChildren* list : {polite.get(), mules.get()}) {
      list->Set(next, Mood::kSilent);
      doomed.insert((*list)[next].pid());
    }
    // And some are ordered to stop at the same time: still one SIGTERM each.
    if (round % 4 == 0) {
      const std::string label =
          "n1/mule-" + std::to_string(mule_round) + "-" + std::to_string(next);
      orders.push_back(Child::Fork([&fleet, label] {
        (void)fleet.Cli({"kill", label, "--yes", "--reason", "a test"}, 60s);
        return 0;
      }));
    }
    ++next;
    EXPECT_TRUE(Throughout(std::chrono::milliseconds(alive_ms(random)),
                           [&] { return healthy.Running() == kHealthy; }));
    KillAndRestart(fleet, options);
    ASSERT_EQ(healthy.Running(), kHealthy) << "in round " << round;
  }
  for (int i = 0; i < next; ++i) {
    EXPECT_TRUE((*polite)[i].WaitExit(20s)) << "a hung one was forgotten";
    EXPECT_TRUE((*mules)[i].WaitExit(20s)) << "a hung one was forgotten";
  }
  EXPECT_EQ(healthy.Running(), kHealthy);

  // Nobody was forgotten: every healthy one still has its slot, and is guarded.
  fleet.AwaitConnected(1, 20s);
  std::set<pid_t> listed;
  Await(20s, "every healthy process in the table", [&] {
    listed.clear();
    for (const v1::FleetSlot& slot : fleet.Slots()) listed.insert(slot.slot().incarnation().pid());
    for (int i = 0; i < kHealthy; ++i) {
      if (!listed.contains(healthy[i].pid())) return false;
    }
    return true;
  });
  healthy.Set(0, Mood::kSilent);
  doomed.insert(healthy[0].pid());
  EXPECT_TRUE(healthy[0].WaitExit(20s));

  // The kernel's own list: whoever was signalled was hung, and nobody got two SIGTERMs.
  std::map<pid_t, int> terms;
  std::set<pid_t> children;
  for (int i = 0; i < kHealthy; ++i) children.insert(healthy[i].pid());
  for (const SentSignal& sent : oracle.All()) {
    if (!doomed.contains(sent.target) && !children.contains(sent.target)) continue;
    EXPECT_TRUE(doomed.contains(sent.target)) << "signal " << sent.signal << " to a healthy one";
    if (sent.signal == SIGTERM) ++terms[sent.target];
  }
  for (const auto& [pid, count] : terms) EXPECT_EQ(count, 1) << "SIGTERMs to pid " << pid;
  for (const v1::Event& event : fleet.Events("kind=slot_lost")) ADD_FAILURE() << event.message();
  // Every order that reached the node has one verdict.
  for (Child& order : orders) EXPECT_TRUE(order.WaitExit(90s));
  std::map<std::string, std::vector<std::string>> verdicts;
  for (const v1::Event& event : fleet.Events("kind=verdict")) {
    if (!event.order_id().empty()) verdicts[event.order_id()].push_back(event.ShortDebugString());
  }
  for (const auto& [id, events] : verdicts) {
    EXPECT_EQ(events.size(), 1U) << "verdicts of order " << id << ":\n"
                                 << absl::StrJoin(events, "\n");
  }
  EXPECT_LE(verdicts.size(), orders.size());
  std::printf("%d kills of the guardian, %zu stopped, %zu orders, %d healthy ones untouched\n",
              rounds, doomed.size(), verdicts.size(), kHealthy);
}

TEST(GuardianCrash, AnOrderUnderWayEndsInItsVerdictAndIsNotRepeated) {
  Fleet fleet({"n1"});
  fleet.StartController();
  NodeOptions options;
  options.grace = "3s";
  Node& node = fleet.StartNode("n1", options);
  fleet.AwaitConnected(1);
  Child& mule = fleet.StartProgram(node, {"stubborn", "--name", "mule", "--timeout-ms", "60000"});
  fleet.AwaitSlot(mule.pid());
  Child cli = Child::Fork([&] {
    return fleet.Cli({"kill", "n1/mule", "--yes", "--reason", "it is stuck"}, 60s).exit_code;
  });
  fleet.AwaitEvent("SIGTERM", 10s, Is(v1::EVENT_KIND_TERM_SENT, mule.pid()));
  KillAndRestart(fleet, options);
  EXPECT_TRUE(mule.WaitExit(15s));
  const std::optional<int> status = cli.WaitExit(30s);
  ASSERT_TRUE(status && WIFEXITED(*status));
  EXPECT_EQ(WEXITSTATUS(*status), 0);
  const v1::Event verdict =
      fleet.AwaitEvent("verdict", 10s, Is(v1::EVENT_KIND_VERDICT, mule.pid()));
  EXPECT_EQ(verdict.verdict(), v1::VERDICT_KILLED);
  EXPECT_EQ(verdict.reason(), "it is stuck");
  // The() fails on two of them.
  EXPECT_TRUE(The(fleet.Events(), v1::EVENT_KIND_TERM_SENT, mule.pid()).has_id());
  EXPECT_TRUE(The(fleet.Events(), v1::EVENT_KIND_KILL_SENT, mule.pid()).has_id());
}

TEST(GuardianCrash, EverythingIsTakenUpWithinTwoSeconds) {
  Fleet fleet({"n1"});
  const ClassicKey key;
  fleet.StartController();
  NodeOptions options;
  options.yaml = "classic: {enabled: true, key: '" + key.text() + "', slots: 10}";
  Node& node = fleet.StartNode("n1", options);
  fleet.AwaitConnected(1);
  MoodyChildren children(node, "w", 200, 5s);
  Child& classic = fleet.StartProgram(node, {"classic_worker", "--key", key.text(), "--slots", "10",
                                             "--name", "classic", "--timeout", "2"});
  const v1::FleetSlot before = fleet.AwaitSlot(classic.pid());
  const Finished held = fleet.Cli({"hold", "n1/w-7", "--for", "10m", "--reason", "debugging"});
  ASSERT_EQ(held.exit_code, 0) << held.out << held.err;

  node.guardian().Kill();
  const auto killed_at = SinceBoot();
  fleet.StartNode("n1", options);
  const auto took = SinceBoot() - killed_at;
  EXPECT_LE(took, 2s + 1s) << "a second of it for a busy test machine";
  fleet.AwaitConnected(1, 20s);
  const v1::Event taken = fleet.AwaitEvent("taken up", 10s, Is(v1::EVENT_KIND_STATE_TAKEN_UP));
  EXPECT_NE(taken.message().find("201 slots"), std::string::npos) << taken.message();
  EXPECT_NE(taken.message().find("1 holds"), std::string::npos) << taken.message();
  EXPECT_EQ(fleet.AwaitSlot(classic.pid()).slot().incarnation().generation(),
            before.slot().incarnation().generation());
  Await(10s, "the hold in the list", [&] {
    for (const v1::FleetSlot& slot : fleet.Slots()) {
      if (slot.slot().label() == "w-7") return slot.slot().hold().reason() == "debugging";
    }
    return false;
  });
  // Both kinds are guarded as before.
  children.Set(3, Mood::kSilent);
  children.Set(7, Mood::kSilent);
  classic.Signal(SIGUSR1);
  EXPECT_TRUE(children[3].WaitExit(15s));
  EXPECT_TRUE(classic.WaitExit(15s));
  EXPECT_TRUE(children[7].Running()) << "it is held";
}

TEST(GuardianCrash, AGuardianThatIsToldToStopLeavesItsTableToTheNext) {
  Fleet fleet({"n1"});
  fleet.StartController();
  Node& node = fleet.StartNode("n1");
  fleet.AwaitConnected(1);
  MoodyChildren children(node, "w", 3, 2s);
  node.guardian().Signal(SIGTERM);
  ASSERT_TRUE(node.guardian().WaitExit(10s));
  fleet.StartNode("n1");
  children.Set(0, Mood::kSilent);
  EXPECT_TRUE(children[0].WaitExit(15s));
  EXPECT_EQ(children.Running(), 2);
}

}  // namespace
}  // namespace procctl::e2e
