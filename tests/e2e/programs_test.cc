// Programs of a node with the real binaries: why they ended, what orders and reloads do to them,
// what becomes of all they started, and that their output is told whole.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <initializer_list>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "proto/support/time_convert.h"
#include "tests/e2e/harness/fleet.h"
#include "tests/e2e/harness/program_rows.h"

namespace procctl::e2e {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kForever[] = "exec sleep 3600";

// One entry of `programs:`.
std::string Entry(const std::string& name, const std::string& shell,
                  std::initializer_list<std::string> keys = {}) {
  std::string yaml = "  - name: " + name + "\n    shell: |-\n      " + shell + "\n";
  for (const std::string& key : keys) yaml += "    " + key + "\n";
  return yaml;
}

// A fleet of a controller and the node n1, which runs these programs.
class Programs : public ::testing::Test {
 protected:
  Node& Start(const std::string& programs) {
    fleet_.StartController();
    NodeOptions options;
    options.programs = programs;
    Node& node = fleet_.StartNode("n1", options);
    fleet_.AwaitConnected(1, 30s);
    return node;
  }

  // As a person does it: the file, then SIGHUP. Returns what the node says of it.
  v1::Event Reload(const std::string& programs, v1::EventKind answer) {
    const size_t before = Count(answer);
    fleet_.SetPrograms("n1", programs);
    fleet_.node("n1").guardian().Signal(SIGHUP);
    std::vector<v1::Event> events;
    Await(
        30s, v1::EventKind_Name(answer),
        [&] {
          events = Of(answer);
          return events.size() > before;
        },
        [&] { return fleet_.node("n1").Log(); });
    return events.back();
  }

  std::vector<v1::Event> Of(v1::EventKind kind) {
    std::vector<v1::Event> events = fleet_.Events();
    std::erase_if(events, [kind](const v1::Event& event) { return event.kind() != kind; });
    return events;
  }
  size_t Count(v1::EventKind kind) { return Of(kind).size(); }

  v1::Program AwaitState(const std::string& label, v1::ProgramState state) {
    return AwaitProgram(fleet_, "n1", label, state);
  }
  // Running, and in another process than `old`.
  pid_t AwaitNewPid(const std::string& label, pid_t old) {
    return AwaitProgram(fleet_, "n1", label, "in a new process",
                        [old](const v1::Program& row) {
                          return row.state() == v1::PROGRAM_STATE_RUNNING &&
                                 row.incarnation().pid() != old;
                        })
        .incarnation()
        .pid();
  }

  void ExpectOk(const Finished& cli) { EXPECT_EQ(cli.exit_code, 0) << cli.out << cli.err; }

  // The one death on record of a program of n1.
  v1::Event TheDeath(const std::string& label) {
    std::vector<v1::Event> deaths;
    Await(
        30s, "a death of " + label,
        [&] {
          deaths = History(fleet_, "n1/" + label);
          return !deaths.empty();
        },
        [&] { return fleet_.node("n1").Log(); });
    EXPECT_EQ(deaths.size(), 1U) << label;
    EXPECT_EQ(deaths.front().program(), label);
    EXPECT_EQ(deaths.front().node(), "n1");
    EXPECT_TRUE(deaths.front().death().status_known()) << deaths.front().ShortDebugString();
    return deaths.front();
  }

  Fleet fleet_{{"n1"}};
};

TEST_F(Programs, HistoryTellsTheTruth) {
  const std::string kept =
      Entry("well", "exit 0", {"restart: on-failure"}) +
      Entry("badly", "exit 3", {"restart: never"}) +
      Entry("faulty", "kill -SEGV $$", {"restart: never", "limits: {rlimits: [core=0]}"}) +
      Entry("shot", kForever, {"restart: never"}) +
      Entry("silent", "exec " + Program("notifier") + " --beats 3 --every-ms 100",
            {"door: notify", "watchdog: 500ms", "restart: never"}) +
      Entry("ordered", kForever) + Entry("healthy", kForever);
  Start(kept + Entry("changed", kForever) + Entry("removed", kForever));

  const FleetProcess shot(AwaitState("shot", v1::PROGRAM_STATE_RUNNING).incarnation().pid());
  shot.SignalChildOf(fleet_.node("n1").guardian().pid(), SIGKILL);
  AwaitState("ordered", v1::PROGRAM_STATE_RUNNING);
  ExpectOk(fleet_.Cli({"stop", "n1/ordered", "--reason", "maintenance"}));
  const pid_t healthy = AwaitState("healthy", v1::PROGRAM_STATE_RUNNING).incarnation().pid();
  const pid_t changed = AwaitState("changed", v1::PROGRAM_STATE_RUNNING).incarnation().pid();
  AwaitState("removed", v1::PROGRAM_STATE_RUNNING);
  Reload(kept + Entry("changed", kForever, {"env: [NEW=1]"}), v1::EVENT_KIND_CONFIG_APPLIED);
  AwaitNewPid("changed", changed);

  const v1::Event well = TheDeath("well");
  EXPECT_EQ(well.death().cause(), v1::CAUSE_EXIT);
  EXPECT_EQ(well.death().exit_code(), 0);
  EXPECT_EQ(well.death().signal(), 0);
  AwaitState("well", v1::PROGRAM_STATE_DONE);

  const v1::Event badly = TheDeath("badly");
  EXPECT_EQ(badly.death().cause(), v1::CAUSE_EXIT);
  EXPECT_EQ(badly.death().exit_code(), 3);
  EXPECT_EQ(badly.death().signal(), 0);

  const v1::Event faulty = TheDeath("faulty");
  EXPECT_EQ(faulty.death().cause(), v1::CAUSE_SIGNAL);
  EXPECT_EQ(faulty.death().signal(), SIGSEGV);

  const v1::Event killed = TheDeath("shot");
  EXPECT_EQ(killed.death().cause(), v1::CAUSE_SIGNAL) << "it was the test, not procctl";
  EXPECT_EQ(killed.death().signal(), SIGKILL);

  const v1::Event silent = TheDeath("silent");
  EXPECT_EQ(silent.death().cause(), v1::CAUSE_HEARTBEAT);
  EXPECT_EQ(silent.death().signal(), SIGTERM);
  EXPECT_GT(FromProto(silent.death().ran()), 500ms);

  const v1::Event ordered = TheDeath("ordered");
  EXPECT_EQ(ordered.death().cause(), v1::CAUSE_OPERATOR);
  EXPECT_EQ(ordered.death().signal(), SIGTERM);
  AwaitState("ordered", v1::PROGRAM_STATE_STOPPED);

  for (const std::string label : {"changed", "removed"}) {
    const v1::Event death = TheDeath(label);
    EXPECT_EQ(death.death().cause(), v1::CAUSE_CONFIG) << label;
    EXPECT_EQ(death.death().signal(), SIGTERM) << label;
  }
  for (const v1::FleetProgram& row : fleet_.Programs()) {
    EXPECT_NE(row.program().label(), "removed") << "it has no row any more";
  }

  EXPECT_TRUE(History(fleet_, "n1/healthy").empty());
  EXPECT_EQ(AwaitState("healthy", v1::PROGRAM_STATE_RUNNING).incarnation().pid(), healthy);
  EXPECT_EQ(fleet_.Cli({"history", "n1/nobody"}).exit_code, 3);
  // As a person reads it.
  const Finished table = fleet_.Cli({"history", "n1/silent"});
  EXPECT_THAT(table.out, HasSubstr("hung"));
  EXPECT_THAT(table.out, HasSubstr("SIGTERM"));
}

TEST_F(Programs, AProgramThatEndsTooOftenIsParkedAndRetried) {
  const std::string cure = fleet_.folder() + "/cure";
  Start(Entry("weak", "test -e " + cure + " && " + kForever + "; exit 1",
              {"backoff: {first: 0s, jitter_percent: 0}",
               "intensity: {starts: 3, within: 1m, retry_every: 24h}"}) +
        Entry("healthy", kForever));
  const v1::Program parked = AwaitState("weak", v1::PROGRAM_STATE_PARKED);
  EXPECT_THAT(parked.message(), HasSubstr("3 starts within 1m"));
  EXPECT_TRUE(parked.has_next_start()) << "it is tried again, now and then";
  EXPECT_EQ(parked.starts(), 3);
  const v1::Event event =
      fleet_.AwaitEvent("parked", 30s, Is(v1::EVENT_KIND_PROGRAM_PARKED), "program=weak");
  EXPECT_EQ(event.severity(), v1::SEVERITY_ALARM);
  EXPECT_THAT(event.message(), HasSubstr("weak is parked: 3 starts within 1m; tried again in 1d"));
  EXPECT_TRUE(Throughout(1s, [&] { return Count(v1::EVENT_KIND_PROGRAM_PARKED) == 1; }));
  EXPECT_EQ(AwaitState("weak", v1::PROGRAM_STATE_PARKED).starts(), parked.starts());

  // What is not cured is tried, and parked again.
  const Finished in_vain = fleet_.Cli({"retry", "n1/weak"});
  EXPECT_EQ(in_vain.exit_code, 1) << in_vain.out << in_vain.err;
  Await(30s, "parked again", [&] { return Count(v1::EVENT_KIND_PROGRAM_PARKED) == 2; });
  EXPECT_GT(AwaitState("weak", v1::PROGRAM_STATE_PARKED).starts(), parked.starts());

  WriteFile(cure, "");
  ExpectOk(fleet_.Cli({"retry", "n1/weak"}));
  const v1::Program cured = AwaitState("weak", v1::PROGRAM_STATE_RUNNING);
  EXPECT_EQ(cured.message(), "");
  EXPECT_EQ(AwaitState("healthy", v1::PROGRAM_STATE_RUNNING).starts(), 1);
}

TEST_F(Programs, OrdersAreObeyed) {
  const std::string programs = Entry("web", kForever, {"restart: always", "backoff: {first: 0s}"}) +
                               Entry("other", kForever);
  Start(programs);
  std::map<std::string, pid_t> pids = AwaitPids(fleet_, "n1", 2);
  const FleetProcess first(pids.at("web"));

  ExpectOk(fleet_.Cli({"stop", "n1/web", "--reason", "a new disk"}));
  EXPECT_TRUE(first.Gone());
  const v1::Program stopped = AwaitState("web", v1::PROGRAM_STATE_STOPPED);
  EXPECT_THAT(stopped.message(), HasSubstr("operator/tester"));
  // Neither the same configuration nor another starts what somebody has stopped.
  Reload(programs, v1::EVENT_KIND_CONFIG_APPLIED);
  Reload(programs + Entry("third", kForever), v1::EVENT_KIND_CONFIG_APPLIED);
  AwaitState("third", v1::PROGRAM_STATE_RUNNING);
  EXPECT_TRUE(Throughout(1s, [&] {
    return AwaitProgram(fleet_, "n1", "web", "known", [](const v1::Program&) {
             return true;
           }).state() == v1::PROGRAM_STATE_STOPPED;
  }));

  ExpectOk(fleet_.Cli({"start", "n1/web"}));
  const pid_t second = AwaitState("web", v1::PROGRAM_STATE_RUNNING).incarnation().pid();
  const FleetProcess second_process(second);
  ExpectOk(fleet_.Cli({"restart", "n1/web"}));
  EXPECT_TRUE(second_process.Gone());
  const pid_t third = AwaitNewPid("web", second);
  const FleetProcess third_process(third);

  // A kill ends the process; its policy is to run always.
  ExpectOk(fleet_.Cli({"kill", "n1/web", "--yes", "--reason", "stuck"}));
  EXPECT_TRUE(third_process.Gone());
  AwaitNewPid("web", third);

  std::vector<v1::Event> orders = Of(v1::EVENT_KIND_PROGRAM_ORDERED);
  EXPECT_EQ(orders.size(), 3U) << "stop, start and restart, each once";
  for (const v1::Event& order : orders) {
    EXPECT_EQ(order.issuer(), "operator/tester");
    EXPECT_EQ(order.program(), "web");
    EXPECT_NE(order.order_id(), "");
  }
  for (const v1::Event& death : History(fleet_, "n1/web")) {
    EXPECT_EQ(death.death().cause(), v1::CAUSE_OPERATOR) << death.ShortDebugString();
  }
  EXPECT_EQ(History(fleet_, "n1/web").size(), 3U);
  EXPECT_EQ(AwaitState("other", v1::PROGRAM_STATE_RUNNING).incarnation().pid(), pids.at("other"));
}

TEST_F(Programs, ATreeIsGoneWithinItsGrace) {
  constexpr auto kGrace = 1s;
  const std::string list = fleet_.folder() + "/children";
  const std::string deaf = "(trap \"\" TERM; exec ";
  Node& node = Start(Entry("family",
                           deaf + "sleep 3601) & echo $! >> " + list + "; " + deaf +
                               "setsid sleep 3602) & echo $! >> " + list + "; " + kForever,
                           {"manual: true", "grace: 1s"}));
  AwaitState("family", v1::PROGRAM_STATE_STOPPED);
  const std::string log = node.Log();
  if (const size_t told = log.find("programs run without cgroups"); told != std::string::npos) {
    GTEST_SKIP() << "the node says: " << log.substr(told, log.find('\n', told) - told);
  }
  ExpectOk(fleet_.Cli({"start", "n1/family"}));
  std::vector<pid_t> pids;
  Await(30s, "two deaf children, one of them in a session of its own", [&] {
    std::istringstream text(ReadFile(list));
    pids.clear();
    for (pid_t pid = 0; text >> pid;) pids.push_back(pid);
    return pids.size() == 2 && getsid(pids[1]) == pids[1] &&
           std::all_of(pids.begin(), pids.end(), [](pid_t pid) {
             return ReadFile("/proc/" + std::to_string(pid) + "/comm") == "sleep\n";
           });
  });
  const FleetProcess parent(AwaitState("family", v1::PROGRAM_STATE_RUNNING).incarnation().pid());
  const FleetProcess child(pids[0]);
  const FleetProcess far_child(pids[1]);
  ExpectOk(fleet_.Cli({"stop", "n1/family", "--no-wait"}));
  EXPECT_TRUE(
      Eventually(kGrace + 3s, [&] { return parent.Gone() && child.Gone() && far_child.Gone(); }))
      << parent.Gone() << child.Gone() << far_child.Gone() << node.Log();
  AwaitState("family", v1::PROGRAM_STATE_STOPPED);

  const v1::Event told =
      fleet_.AwaitEvent("leftovers", 30s, Is(v1::EVENT_KIND_PROGRAM_LEFTOVERS), "program=family");
  for (const pid_t pid : pids) {
    EXPECT_THAT(told.message(), HasSubstr("sleep (pid " + std::to_string(pid) + ")"));
  }
  EXPECT_EQ(Count(v1::EVENT_KIND_PROGRAM_LEFTOVERS), 1U);
  // They had their grace, counted from the first signal.
  const v1::Event term =
      fleet_.AwaitEvent("SIGTERM", 30s, Is(v1::EVENT_KIND_TERM_SENT, parent.pid()));
  EXPECT_GE(At(told) - At(term), kGrace - 100ms) << "stamped a little after it was sent";
}

TEST_F(Programs, AReloadRestartsOnlyWhatChanged) {
  constexpr size_t kPrograms = 20;
  const auto name = [](size_t i) { return "p" + std::to_string(i); };
  // As it is, but for what is said of one of them.
  const auto all = [&](const std::map<std::string, std::string>& also) {
    std::string yaml;
    for (size_t i = 1; i <= kPrograms; ++i) {
      const auto key = also.find(name(i));
      yaml += Entry(name(i), kForever, {key == also.end() ? "umask: '0022'" : key->second});
    }
    return yaml;
  };
  Node& node = Start(all({}));
  std::map<std::string, pid_t> pids = AwaitPids(fleet_, "n1", kPrograms);

  const std::map<std::string, std::string> changes = {{"p7", "env: [MODE=new]"},
                                                      {"p12", "grace: 7s"}};
  const v1::Event applied = Reload(all(changes), v1::EVENT_KIND_CONFIG_APPLIED);
  EXPECT_THAT(applied.message(), HasSubstr("p7"));
  const pid_t renewed = AwaitNewPid("p7", pids.at("p7"));
  pids["p7"] = renewed;
  EXPECT_EQ(AwaitPids(fleet_, "n1", kPrograms), pids) << "only p7 has a new process";
  EXPECT_EQ(Count(v1::EVENT_KIND_PROGRAM_STARTED), kPrograms + 1);

  // A file with mistakes changes nothing, and all of them are told.
  const std::string bad = all({{"p3", "restart: sometimes"}, {"p9", "umask: '99'"}}) +
                          Entry("new", kForever, {"grce: 1s"});
  const v1::Event refused = Reload(bad, v1::EVENT_KIND_CONFIG_REFUSED);
  const std::string text = ReadFile(node.config());
  for (const std::string mistake : {"restart: sometimes", "umask: '99'", "grce: 1s"}) {
    const size_t at = text.find(mistake);
    ASSERT_NE(at, std::string::npos);
    const auto line = 1 + std::count(text.begin(), text.begin() + static_cast<long>(at), '\n');
    EXPECT_THAT(refused.message(), HasSubstr("node.yaml:" + std::to_string(line))) << mistake;
  }
  EXPECT_EQ(refused.severity(), v1::SEVERITY_WARNING);
  // The same, through the controller.
  const Finished cli = fleet_.Cli({"reload", "n1", "--reason", "new limits"});
  EXPECT_EQ(cli.exit_code, 1) << cli.out << cli.err;
  EXPECT_THAT(cli.out + cli.err, HasSubstr("node.yaml:"));
  EXPECT_EQ(AwaitPids(fleet_, "n1", kPrograms), pids);
  EXPECT_EQ(Count(v1::EVENT_KIND_PROGRAM_STARTED), kPrograms + 1);
}

TEST_F(Programs, LogsFollowAcrossRotation) {
  constexpr int kLines = 4000;
  const std::string go = fleet_.folder() + "/go";
  const std::string out = fleet_.folder() + "/writer.out";
  // About 50 KB in bursts, into files of 4 KB; all of them are kept, so that nothing may be lost.
  Start(Entry("writer",
              "echo hello; while [ ! -e " + go + " ]; do sleep 0.05; done; i=0; while [ $i -lt " +
                  std::to_string(kLines) +
                  " ]; do i=$((i+1)); echo \"line $i\"; [ $((i % 40)) -ne 0 ] || sleep 0.01; "
                  "done; echo end; " +
                  kForever,
              {"output: {stdout: '" + out + "', max_size: 4K, keep: 1000}"}));
  AwaitState("writer", v1::PROGRAM_STATE_RUNNING);
  Launch launch;
  launch.argv = {Program("procctl-cli"), "logs",          "-f", "n1/writer",
                 "--controller",         fleet_.address()};
  for (const std::string& option : TlsOptions(fleet_.OperatorTls())) launch.argv.push_back(option);
  launch.out = fleet_.folder() + "/followed.out";
  launch.err = fleet_.folder() + "/followed.err";
  WriteFile(launch.out, "");
  Child follower(std::move(launch));
  follower.AwaitLine("hello", 30s);
  WriteFile(go, "");
  follower.AwaitLine("end", 60s);

  std::string wanted = "hello\n";
  for (int i = 1; i <= kLines; ++i) wanted += "line " + std::to_string(i) + "\n";
  wanted += "end\n";
  const std::string followed = follower.Out();
  const auto differs =
      std::mismatch(wanted.begin(), wanted.end(), followed.begin(), followed.end());
  const auto at = differs.first - wanted.begin();
  EXPECT_TRUE(followed == wanted) << "from byte " << at << ": wanted \""
                                  << wanted.substr(static_cast<size_t>(at), 60) << "\", told \""
                                  << followed.substr(static_cast<size_t>(at), 60) << '"';
  EXPECT_THAT(follower.Err(), Not(HasSubstr("lost")));
  int old_files = 0;
  for (const auto& file : std::filesystem::directory_iterator(fleet_.folder())) {
    if (file.path().string().starts_with(out + ".")) ++old_files;
  }
  EXPECT_GE(old_files, 5) << "else this test is about nothing";
  follower.Signal(SIGINT);
  const std::optional<int> status = follower.WaitExit(30s);
  ASSERT_TRUE(status && WIFEXITED(*status));
  EXPECT_EQ(WEXITSTATUS(*status), 130);
}

}  // namespace
}  // namespace procctl::e2e
