// `procctl-cli why`: what an operator is told about a kill, with the real binaries.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <pthread.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <cstring>

#include "tests/e2e/harness/fleet.h"
#include "tests/e2e/harness/guarded_child.h"

namespace procctl::e2e {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

pthread_mutex_t held_by_nobody_else = PTHREAD_MUTEX_INITIALIZER;

void* TakeItOnceMore(void*) {
  pthread_setname_np(pthread_self(), "encoder");
  pthread_mutex_lock(&held_by_nobody_else);
  return nullptr;
}

std::string Why(Fleet& fleet, const std::string& what) {
  const Finished why = fleet.Cli({"why", what});
  EXPECT_EQ(why.exit_code, 0) << why.err;
  // What README shows is real: PROCCTL_TEST_PRINT=1 prints it anew.
  if (std::getenv("PROCCTL_TEST_PRINT") != nullptr)
    std::printf("$ procctl-cli why %s\n%s\n", what.c_str(), why.out.c_str());
  return why.out;
}

TEST(Why, OfADeadlockNamesTheHeartTheThreadsWaitChannelAndTheNumbers) {
  Fleet fleet({"web-01"});
  fleet.StartController();
  Node& node = fleet.StartNode("web-01");
  fleet.AwaitConnected(1);
  Child deadlocked = GuardedChild(node, "encoder", 1s, [](procctl_heart* heart) {
    procctl_note(heart, "encoding frame 4711");
    pthread_mutex_lock(&held_by_nobody_else);
    pthread_t thread;
    if (pthread_create(&thread, nullptr, TakeItOnceMore, nullptr) != 0) return;
    Hang();
  });
  ASSERT_TRUE(deadlocked.WaitExit(15s));
  fleet.AwaitEvent("verdict", 10s, Is(v1::EVENT_KIND_VERDICT, deadlocked.pid()));
  const std::string why = Why(fleet, "web-01/encoder");
  EXPECT_THAT(why, AllOf(HasSubstr("encoder"), HasSubstr("limit 1s"), HasSubstr("SIGTERM"),
                         HasSubstr("encoding frame 4711")));
  if (geteuid() == 0) {
    EXPECT_THAT(why, HasSubstr("futex")) << "where its thread waits";
  } else {
    std::printf("wait channels are for root to read; not checked\n");
  }
}

TEST(Why, OfAHeldKillNamesTheBrake) {
  Fleet fleet({"web-01"});
  fleet.StartController();
  NodeOptions options;
  options.brakes = true;
  options.yaml = "brakes: {burst: 1, per_minute: 1, common_cause: {mode: 'off'}}";
  Node& node = fleet.StartNode("web-01", options);
  fleet.AwaitConnected(1);
  Child first = GuardedChild(node, "first", 1s, [](procctl_heart*) { Hang(); });
  ASSERT_TRUE(first.WaitExit(15s));
  Child second = GuardedChild(node, "second", 1s, [](procctl_heart*) { Hang(); });
  fleet.AwaitEvent("held", 15s, Is(v1::EVENT_KIND_HELD, second.pid()));
  EXPECT_THAT(Why(fleet, "web-01/second"), AllOf(HasSubstr("held"), HasSubstr("bucket")));
  EXPECT_TRUE(second.Running());
  const Finished described = fleet.Cli({"describe", "web-01/second"});
  EXPECT_EQ(described.exit_code, 0) << described.err;
  EXPECT_THAT(described.out, AllOf(HasSubstr("bucket"), HasSubstr("web-01")));
}

TEST(Why, OfARemoteKillNamesTheOperatorAndTheReason) {
  Fleet fleet({"web-01"});
  fleet.StartController();
  Node& node = fleet.StartNode("web-01");
  fleet.AwaitConnected(1);
  Child& worker = fleet.StartProgram(
      node, {"worker", "--name", "api", "--timeout-ms", "60000", "--threads", "1"});
  fleet.AwaitSlot(worker.pid());
  ASSERT_EQ(fleet.Cli({"kill", "web-01/api", "--reason", "leaks memory"}).exit_code, 0);
  EXPECT_THAT(Why(fleet, "web-01/api"),
              AllOf(HasSubstr("tester"), HasSubstr("leaks memory"), HasSubstr("SIGTERM")));
}

TEST(Hold, IsShownHoldsAndIsReleased) {
  Fleet fleet({"web-01"});
  fleet.StartController();
  Node& node = fleet.StartNode("web-01");
  fleet.AwaitConnected(1);
  Child child = GuardedChild(node, "api", 1s, [](procctl_heart* heart) {
    for (int i = 0; i < 300; ++i) {
      procctl_beat(heart);
      usleep(10'000);
    }
    Hang();
  });
  fleet.AwaitSlot(child.pid());
  const Finished held =
      fleet.Cli({"hold", "web-01/api", "--for", "30m", "--reason", "looking at it"});
  ASSERT_EQ(held.exit_code, 0) << held.out << held.err;
  EXPECT_TRUE(Eventually(10s, [&] {
    return fleet.Cli({"list"}).out.find("looking at it") != std::string::npos;
  })) << "the row follows the event";
  fleet.AwaitEvent("held", 15s, Is(v1::EVENT_KIND_HELD, child.pid()));
  EXPECT_THAT(Why(fleet, "web-01/api"), AllOf(HasSubstr("tester"), HasSubstr("looking at it")));
  EXPECT_TRUE(child.Running());
  EXPECT_EQ(fleet.Cli({"hold", "web-01/api", "--for", "30m"}).exit_code, 2) << "no reason given";
  const Finished released = fleet.Cli({"release", "web-01/api"});
  EXPECT_EQ(released.exit_code, 0) << released.out << released.err;
  EXPECT_TRUE(child.WaitExit(15s));
}

TEST(Describe, ShowsHeadroomAndTheNode) {
  Fleet fleet({"web-01"});
  fleet.StartController();
  NodeOptions options;
  options.yaml = "canary: {every: 10s}";
  Node& node = fleet.StartNode("web-01", options);
  fleet.AwaitConnected(1);
  Child& worker = fleet.StartProgram(
      node, {"worker", "--name", "api", "--timeout-ms", "2000", "--threads", "1"});
  fleet.AwaitSlot(worker.pid());
  const v1::Event canary = fleet.AwaitEvent("the canary's turn", 30s, Is(v1::EVENT_KIND_CANARY));
  EXPECT_EQ(canary.severity(), v1::SEVERITY_INFO) << canary.message();
  EXPECT_GT(canary.took().nanos(), 0);
  const Finished slot = fleet.Cli({"describe", "web-01/api"});
  EXPECT_EQ(slot.exit_code, 0) << slot.err;
  const Finished whole = fleet.Cli({"describe", "web-01"});
  EXPECT_EQ(whole.exit_code, 0) << whole.err;
  EXPECT_THAT(whole.out, HasSubstr("anary"));
}

}  // namespace
}  // namespace procctl::e2e
