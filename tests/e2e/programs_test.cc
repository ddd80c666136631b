// Programs of a node with the real binaries: what orders and reloads do to them, and that their
// output is told whole.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "tests/e2e/programs_fixture.h"

namespace procctl::e2e {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

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

// Pid and start of each running program of n1: another life has another.
std::map<std::string, std::string> LivesOf(Fleet& fleet) {
  std::map<std::string, std::string> lives;
  for (const v1::FleetProgram& row : fleet.Programs()) {
    if (row.program().state() == v1::PROGRAM_STATE_RUNNING)
      lives[row.program().label()] = row.program().incarnation().ShortDebugString();
  }
  return lives;
}

TEST_F(Programs, AReloadRestartsOnlyWhatChanged) {
  constexpr size_t kPrograms = 100;
  const auto name = [](size_t i) { return "p" + std::to_string(i); };
  // As it is, but for what is said of some of them.
  using Keys = std::map<std::string, std::vector<std::string>>;
  const auto all = [&](const Keys& also) {
    std::string yaml;
    for (size_t i = 1; i <= kPrograms; ++i) {
      yaml += Entry(name(i), kForever, {"umask: '0022'"});
      if (const auto keys = also.find(name(i)); keys != also.end()) {
        for (const std::string& key : keys->second) yaml += "    " + key + "\n";
      }
    }
    return yaml;
  };
  Node& node = Start(all({}));
  const std::map<std::string, pid_t> pids = AwaitPids(fleet_, "n1", kPrograms);
  std::map<std::string, std::string> lives = LivesOf(fleet_);
  ASSERT_EQ(lives.size(), kPrograms);

  // p7 must be started anew for its change, p12 need not.
  const Keys changes = {{"p7", {"env: [MODE=new]"}}, {"p12", {"grace: 7s"}}};
  const v1::Event applied = Reload(all(changes), v1::EVENT_KIND_CONFIG_APPLIED);
  EXPECT_THAT(applied.message(), HasSubstr("p7"));
  (void)AwaitNewPid("p7", pids.at("p7"));
  std::map<std::string, std::string> now = LivesOf(fleet_);
  EXPECT_NE(now["p7"], lives["p7"]);
  lives["p7"] = now["p7"];
  EXPECT_EQ(now, lives) << "the other 99 go on";
  EXPECT_EQ(Count(v1::EVENT_KIND_PROGRAM_STARTED), kPrograms + 1);
  EXPECT_EQ(Count(v1::EVENT_KIND_PROGRAM_ENDED), 1U);

  // A file with mistakes changes nothing, and all of them are told.
  const std::vector<std::string> mistakes = {
      "grce: 1s", "umask: '0077'", "limits: {restart_above_memory: 0}", "instances: many"};
  Keys bad = changes;
  bad["p3"] = {"env: [MODE=new]"};
  for (size_t i = 0; i < mistakes.size(); ++i) bad[name(20 + i)] = {mistakes[i]};
  const v1::Event refused = Reload(all(bad), v1::EVENT_KIND_CONFIG_REFUSED);
  const std::string text = ReadFile(node.config());
  for (const std::string& mistake : mistakes) {
    const size_t at = text.find(mistake);
    ASSERT_NE(at, std::string::npos);
    const auto line = 1 + std::count(text.begin(), text.begin() + static_cast<long>(at), '\n');
    EXPECT_THAT(refused.message(), HasSubstr("node.yaml:" + std::to_string(line) + ":")) << mistake;
  }
  EXPECT_THAT(refused.message(), Not(HasSubstr("\\x0a"))) << "an event is one line";
  EXPECT_EQ(refused.severity(), v1::SEVERITY_WARNING);
  // The same, through the controller.
  const Finished cli = fleet_.Cli({"reload", "n1", "--reason", "new limits"});
  EXPECT_EQ(cli.exit_code, 1) << cli.out << cli.err;
  EXPECT_THAT(cli.out + cli.err, HasSubstr("node.yaml:"));
  const v1::Event by_order =
      fleet_.AwaitEvent("refusal of that order", 30s, [](const v1::Event& event) {
        return event.kind() == v1::EVENT_KIND_CONFIG_REFUSED && !event.order_id().empty();
      });
  EXPECT_EQ(by_order.issuer(), "operator/tester");
  EXPECT_EQ(by_order.reason(), "new limits");
  EXPECT_EQ(LivesOf(fleet_), lives);
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
  Launch launch = fleet_.LastingCli("followed", {"logs", "-f", "n1/writer"});
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
