// The plain story: three nodes in one table, a hang that ends in a verdict, a kill from afar; and
// the refusals a person meets first.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <set>

#include "proto/support/time_convert.h"
#include "tests/e2e/harness/fleet.h"
#include "tests/e2e/harness/guarded_child.h"

namespace procctl::e2e {
namespace {

using ::testing::HasSubstr;

int ExitCode(const std::optional<int>& status) {
  return status && WIFEXITED(*status) ? WEXITSTATUS(*status) : -1;
}

TEST(Story, ThreeNodesAreInOneTable) {
  Fleet fleet({"n1", "n2", "n3"});
  fleet.StartController();
  std::set<std::string> wanted;
  for (const std::string id : {"n1", "n2", "n3"}) {
    Node& node = fleet.StartNode(id);
    fleet.StartProgram(node,
                       {"worker", "--name", "encoder", "--timeout-ms", "2000", "--threads", "2"});
    wanted.insert({id + "/encoder", id + "/encoder-2"});
  }
  fleet.AwaitConnected(3);
  std::set<std::string> seen;
  EXPECT_TRUE(Eventually(5s, [&] {
    seen.clear();
    for (const v1::FleetSlot& slot : fleet.Slots()) {
      seen.insert(slot.node() + "/" + slot.slot().label());
    }
    return seen == wanted;
  })) << ::testing::PrintToString(seen);

  const Finished table = fleet.Cli({"list"});
  EXPECT_EQ(table.exit_code, 0);
  for (const std::string id : {"n1", "n2", "n3"}) EXPECT_THAT(table.out, HasSubstr(id));
  EXPECT_THAT(table.out, HasSubstr("encoder-2"));
  EXPECT_EQ(table.out.find('\x1b'), std::string::npos) << "colour, and this is not a terminal";
}

TEST(Story, HungWorkerIsStoppedAndItsVerdictRecorded) {
  Fleet fleet({"n1"});
  fleet.StartController();
  Node& node = fleet.StartNode("n1");
  Child& worker = fleet.StartProgram(
      node, {"worker", "--name", "encoder", "--timeout-ms", "1000", "--threads", "2"});
  Child& healthy = fleet.StartProgram(
      node, {"worker", "--name", "other", "--timeout-ms", "1000", "--threads", "1"});
  fleet.AwaitConnected(1);

  worker.Signal(SIGUSR1);  // its first thread hangs, the second goes on
  EXPECT_EQ(ExitCode(worker.WaitExit(5s)), 0) << "it ends well on SIGTERM";

  const v1::Event verdict =
      fleet.AwaitEvent("verdict", 5s, Is(v1::EVENT_KIND_VERDICT, worker.pid()));
  EXPECT_EQ(verdict.verdict(), v1::VERDICT_EXITED_ON_TERM);
  EXPECT_EQ(verdict.cause(), v1::CAUSE_HEARTBEAT);
  EXPECT_EQ(verdict.name(), "encoder") << "the heart that stopped, not the one that beat";
  EXPECT_TRUE(verdict.term_sent());
  EXPECT_FALSE(verdict.kill_sent());
  EXPECT_GT(FromProto(verdict.took()).count(), 0);

  const std::vector<v1::Event> events = fleet.Events();
  const v1::Event& hung = The(events, v1::EVENT_KIND_HUNG, worker.pid());
  EXPECT_GT(FromProto(hung.silence()), 1s);
  EXPECT_LT(FromProto(hung.silence()), 1s + 250ms);
  EXPECT_LE(At(The(events, v1::EVENT_KIND_TERM_SENT, worker.pid())) - At(hung), 250ms);
  EXPECT_TRUE(healthy.Running());
}

TEST(Story, OperatorStopsAProcessOnAnotherHost) {
  Fleet fleet({"n1", "n2"});
  fleet.StartController();
  fleet.StartNode("n1");
  Node& far = fleet.StartNode("n2");
  Child& worker = fleet.StartProgram(
      far, {"worker", "--name", "api", "--timeout-ms", "5000", "--threads", "1"});
  fleet.AwaitConnected(2);
  fleet.AwaitSlot(worker.pid());

  const Finished planned = fleet.Cli({"kill", "n2/api", "--dry-run"});
  EXPECT_EQ(planned.exit_code, 0) << planned.err;
  EXPECT_TRUE(worker.Running());

  const Finished killed = fleet.Cli({"kill", "n2/api", "--yes", "--reason", "deploy 42"});
  EXPECT_EQ(killed.exit_code, 0) << killed.err;
  EXPECT_THAT(killed.out, HasSubstr("n2/api"));
  EXPECT_EQ(ExitCode(worker.WaitExit(5s)), 0);

  const v1::Event verdict =
      fleet.AwaitEvent("verdict", 5s, Is(v1::EVENT_KIND_VERDICT, worker.pid()));
  EXPECT_EQ(verdict.cause(), v1::CAUSE_OPERATOR);
  EXPECT_EQ(verdict.verdict(), v1::VERDICT_EXITED_ON_TERM);
  EXPECT_EQ(verdict.issuer(), "operator/tester");
  EXPECT_EQ(verdict.reason(), "deploy 42");
  EXPECT_EQ(verdict.node(), "n2");
}

TEST(Story, KillByPidAndOfAStubbornOneGoesUpTheLadder) {
  Fleet fleet({"n1"});
  fleet.StartController();
  Node& node = fleet.StartNode("n1");
  Child& stubborn =
      fleet.StartProgram(node, {"stubborn", "--name", "mule", "--timeout-ms", "20000"});
  fleet.AwaitConnected(1);
  fleet.AwaitSlot(stubborn.pid());
  const Finished killed =
      fleet.Cli({"kill", "n1:" + std::to_string(stubborn.pid()), "--yes", "--grace", "500ms"});
  EXPECT_EQ(killed.exit_code, 0) << killed.err;
  const std::optional<int> status = stubborn.WaitExit(5s);
  ASSERT_TRUE(status);
  EXPECT_TRUE(WIFSIGNALED(*status) && WTERMSIG(*status) == SIGKILL);
  const v1::Event verdict =
      fleet.AwaitEvent("verdict", 5s, Is(v1::EVENT_KIND_VERDICT, stubborn.pid()));
  EXPECT_EQ(verdict.verdict(), v1::VERDICT_KILLED);
  EXPECT_GE(FromProto(verdict.took()), 500ms);
  EXPECT_LT(FromProto(verdict.took()), 1500ms);
}

TEST(Story, ExitCodesTellWhatHappened) {
  Fleet fleet({"n1"});
  fleet.StartController();
  Node& node = fleet.StartNode("n1");
  Child& worker = fleet.StartProgram(
      node, {"worker", "--name", "api", "--timeout-ms", "5000", "--threads", "1"});
  fleet.AwaitConnected(1);
  fleet.AwaitSlot(worker.pid());

  EXPECT_EQ(fleet.Cli({"frobnicate"}).exit_code, 2);
  EXPECT_EQ(fleet.Cli({"kill", "n1/nobody", "--yes"}).exit_code, 3);
  EXPECT_EQ(fleet.Cli({"list", "nodes"}).exit_code, 0);
  EXPECT_EQ(fleet.RawCli({"version"}).exit_code, 0);
  EXPECT_EQ(fleet.RawCli({"help"}).exit_code, 0);

  std::vector<std::string> as_viewer = {"kill", "n1/api", "--yes", "--controller", fleet.address()};
  for (const std::string& option : TlsOptions(fleet.ViewerTls())) as_viewer.push_back(option);
  const Finished viewer = fleet.RawCli(as_viewer);
  EXPECT_EQ(viewer.exit_code, 4) << viewer.err;
  EXPECT_TRUE(worker.Running());

  fleet.controller().Kill();
  const Finished unreachable = fleet.Cli({"list"});
  EXPECT_EQ(unreachable.exit_code, 5);
  EXPECT_THAT(unreachable.err, HasSubstr(fleet.address()));
}

TEST(Story, SeveralTargetsWithoutTerminalNeedYes) {
  Fleet fleet({"n1"});
  fleet.StartController();
  Node& node = fleet.StartNode("n1");
  Child& one =
      fleet.StartProgram(node, {"worker", "--name", "a", "--timeout-ms", "5000", "--threads", "1"});
  Child& two =
      fleet.StartProgram(node, {"worker", "--name", "b", "--timeout-ms", "5000", "--threads", "1"});
  fleet.AwaitConnected(1);
  fleet.AwaitSlot(two.pid());
  EXPECT_EQ(fleet.Cli({"kill", "n1/a", "n1/b"}).exit_code, 9);
  EXPECT_TRUE(one.Running());
  EXPECT_TRUE(two.Running());
}

TEST(Story, ScriptThatCannotBeChangedIsGuardedByItsOutput) {
  Fleet fleet({"n1"});
  fleet.StartController();
  Node& node = fleet.StartNode("n1");
  fleet.AwaitConnected(1);
  // It prints twenty lines in two seconds, then nothing for a minute.
  Child& script = fleet.StartProgram(
      node, {"beat_on_output", "script", "1000", "/bin/sh", "-c",
             "echo ready; for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do echo $i; "
             "sleep 0.1; done; exec sleep 60"});
  EXPECT_TRUE(Throughout(1800ms, [&] { return script.Running(); }))
      << "as long as it prints, it lives";
  EXPECT_EQ(ExitCode(script.WaitExit(5s)), 128 + SIGTERM) << "the script's own end";
  fleet.AwaitEvent("verdict", 5s, Is(v1::EVENT_KIND_VERDICT, script.pid()));
}

TEST(Story, RestartedControllerSeesTheSameFleetAgain) {
  Fleet fleet({"n1"});
  fleet.StartController();
  Node& node = fleet.StartNode("n1");
  Child& worker = fleet.StartProgram(
      node, {"worker", "--name", "api", "--timeout-ms", "5000", "--threads", "1"});
  fleet.AwaitConnected(1);
  fleet.AwaitSlot(worker.pid());
  fleet.StartController();  // it starts again and has heard of nobody yet...
  fleet.AwaitConnected(1);  // ...until the node comes back
  EXPECT_EQ(fleet.AwaitSlot(worker.pid()).slot().state(), v1::SLOT_STATE_ALIVE);
}

TEST(Story, PlainUserGuardsItsOwnProcessesOnly) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root to become another user";
  Fleet fleet({"n1"});
  fleet.StartController();
  NodeOptions options;
  options.uid = kNobody;
  Node& node = fleet.StartNode("n1", options);
  fleet.AwaitConnected(1);

  Child& own = fleet.StartProgram(
      node, {"worker", "--name", "own", "--timeout-ms", "1000", "--threads", "1"}, kNobody);
  EXPECT_THROW(GuardedChild(node, "foreign", 1000ms, [](procctl_heart*) { Hang(); }), HarnessError)
      << "root's process cannot be guarded by nobody's guardian";

  own.Signal(SIGUSR1);
  EXPECT_EQ(ExitCode(own.WaitExit(5s)), 0);
  fleet.AwaitEvent("verdict", 5s, Is(v1::EVENT_KIND_VERDICT, own.pid()));
}

TEST(Refusals, BadNodeConfigurationSaysLineAndHint) {
  Fleet fleet({"n1"});
  const std::string config = fleet.folder() + "/bad.yaml";
  WriteFile(config, "node: n1\nscan_intervall: 100ms\n");
  const Finished unknown = RunToEnd({.argv = {Program("procctl-node"), config}}, 10s);
  EXPECT_EQ(unknown.exit_code, 2);
  EXPECT_THAT(unknown.err, HasSubstr("bad.yaml:2"));
  EXPECT_THAT(unknown.err, HasSubstr("scan_interval"));

  WriteFile(config, "node: n1\ngrace: 5s\ngrace: 6s\n");
  const Finished twice = RunToEnd({.argv = {Program("procctl-node"), config}}, 10s);
  EXPECT_EQ(twice.exit_code, 2);
  EXPECT_THAT(twice.err, HasSubstr("bad.yaml:3"));

  WriteFile(config, "node: n1\nscan_interval: 0s\n");
  const Finished zero = RunToEnd({.argv = {Program("procctl-node"), config}}, 10s);
  EXPECT_EQ(zero.exit_code, 2);
  EXPECT_THAT(zero.err, HasSubstr("bad.yaml:2"));
}

TEST(Refusals, ThrowAwayCertificatesStayOnLoopback) {
  const Finished refused =
      RunToEnd({.argv = {Program("procctl-controller"), "--dev", "--listen", "0.0.0.0:0"}}, 10s);
  EXPECT_EQ(refused.exit_code, 2);
  EXPECT_THAT(refused.err, HasSubstr("loopback"));
}

}  // namespace
}  // namespace procctl::e2e
