// The answer to an order is lost on its way: the order was carried out, and nobody knows. Asking
// again must tell how it ended, and must signal nobody.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>

#include "tests/e2e/harness/fleet.h"
#include "tests/e2e/harness/guarded_child.h"
#include "tests/e2e/harness/kill_call.h"
#include "tests/e2e/harness/split_network.h"

namespace procctl::e2e {
namespace {

int FromEnvironment(const char* name, int standard) {
  const char* text = std::getenv(name);
  return text != nullptr ? std::atoi(text) : standard;
}

int told = -1;

// Each SIGTERM is one byte, so a second one would be seen.
void Tell(int) { (void)!write(told, "T", 1); }

// A guarded process that tells of each SIGTERM at `said` at once, and ends a while after the first.
Child Victim(const Node& node, int said) {
  return GuardedChild(node, "victim", 600s, [said](procctl_heart* heart) {
    told = said;
    struct sigaction tell = {};
    tell.sa_handler = Tell;
    sigaction(SIGTERM, &tell, nullptr);
    for (;;) {
      procctl_beat(heart);
      if (poll(nullptr, 0, 100) < 0) break;  // interrupted: it was asked to end
    }
    // A second SIGTERM would come within this time.
    usleep(400'000);
  });
}

int BytesIn(int fd) {
  int count = 0;
  for (char byte = 0; read(fd, &byte, 1) == 1;) ++count;
  return count;
}

TEST(LostAnswers, OneSignalOneVerdictAndTheSameWhenAskedAgain) {
  const SplitNetwork probe;
  if (!probe.usable()) GTEST_SKIP() << probe.why();
  // The long run: 90 s without a wire, asked again after 600 s, 10 rounds.
  const std::chrono::seconds lost(FromEnvironment("PROCCTL_TEST_LOST_SECONDS", 8));
  const std::chrono::seconds later(FromEnvironment("PROCCTL_TEST_ASK_AGAIN_SECONDS", 2));
  const int rounds = FromEnvironment("PROCCTL_TEST_ROUNDS", 2);

  SplitNetwork network;
  Fleet fleet({"n1"}, &network);
  fleet.StartController();
  NodeOptions options;
  options.prepare = network.NodeSide();
  std::vector<v1::KillSlotsRequest> requests;
  std::vector<v1::TargetProgress> verdicts;
  for (int round = 0; round < rounds; ++round) {
    SCOPED_TRACE("round " + std::to_string(round));
    Node& node = fleet.StartNode("n1", options);
    fleet.AwaitConnected(1, 60s);
    int said[2];
    ASSERT_EQ(pipe2(said, O_CLOEXEC | O_NONBLOCK), 0);
    Child victim = Victim(node, said[1]);
    const v1::FleetSlot row = fleet.AwaitSlot(victim.pid());

    v1::KillSlotsRequest& request = requests.emplace_back();
    request.set_request_id("lost-" + std::to_string(round));
    v1::KillTarget* target = request.add_targets();
    target->set_node("n1");
    target->set_slot(row.slot().label());
    *target->mutable_incarnation() = row.slot().incarnation();
    KillCall call(fleet, &network, request);
    pollfd signalled{said[0], POLLIN, 0};
    ASSERT_EQ(poll(&signalled, 1, 20'000), 1) << "no SIGTERM";
    network.Cut(SplitNetwork::Way::kBoth);
    const bool killed = round % 2 == 1;
    if (killed) node.guardian().Kill();
    EXPECT_TRUE(victim.WaitExit(20s));
    (void)Throughout(lost, [] { return true; });
    network.Heal();
    if (killed) fleet.StartNode("n1", options);
    // Done, or given up as UNRESOLVED; what counts is what it says once the node was heard.
    (void)call.Await(90s);
    fleet.AwaitConnected(1, 90s);
    const std::string order = "order=" + request.request_id() + "/0";
    (void)fleet.AwaitEvent("verdict", 60s, Is(v1::EVENT_KIND_VERDICT), order);

    const KillCall::Answer again = KillCall(fleet, &network, request).Await(60s);
    EXPECT_TRUE(again.repeated);
    EXPECT_EQ(again.last.phase(), v1::KILL_PHASE_DONE) << again.last.ShortDebugString();
    verdicts.push_back(again.last);
    if (!killed) {
      EXPECT_EQ(again.last.verdict(), v1::VERDICT_EXITED_ON_TERM);
    }
    EXPECT_EQ(BytesIn(said[0]), 1) << "SIGTERMs that the process saw";
    close(said[0]);
    close(said[1]);
  }

  (void)Throughout(later, [] { return true; });
  for (size_t i = 0; i < requests.size(); ++i) {
    const KillCall::Answer again = KillCall(fleet, &network, requests[i]).Await(60s);
    EXPECT_EQ(again.last.verdict(), verdicts[i].verdict());
    EXPECT_EQ(again.last.refusal(), verdicts[i].refusal());
    int ends = 0;
    int signals = 0;
    for (const v1::Event& event : fleet.Events("order=" + requests[i].request_id() + "/0")) {
      ends += event.kind() == v1::EVENT_KIND_VERDICT ? 1 : 0;
      signals += event.kind() == v1::EVENT_KIND_TERM_SENT ? 1 : 0;
    }
    EXPECT_EQ(ends, 1);
    EXPECT_LE(signals, 1);
  }
}

}  // namespace
}  // namespace procctl::e2e
