// A node without a controller: people on the host itself look after it through its local socket.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <string>
#include <vector>

#include "tests/e2e/harness/json.h"
#include "tests/e2e/programs_fixture.h"

namespace procctl::e2e {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr uid_t kSomebody = 65533;

class Local : public ::testing::Test {
 protected:
  Node& Start(const std::string& programs = "") {
    NodeOptions options;
    options.with_controller = false;
    options.programs = programs;
    return fleet_.StartNode("n1", options);
  }

  std::vector<std::string> Arguments(std::vector<std::string> command) {
    command.insert(command.begin(), {"--local", "--runtime-dir", fleet_.node("n1").runtime()});
    return command;
  }
  Finished Cli(std::vector<std::string> command) {
    return fleet_.RawCli(Arguments(std::move(command)));
  }
  void ExpectOk(const Finished& cli) {
    EXPECT_EQ(cli.exit_code, 0) << cli.out << cli.err << fleet_.node("n1").Log();
  }

  // As somebody else, from a copy that everybody may execute, with these very arguments.
  Finished RawCliAs(uid_t user, std::vector<std::string> arguments,
                    const std::string& xdg_runtime_dir) {
    const std::string copy = fleet_.folder() + "/procctl-cli";
    std::filesystem::copy_file(e2e::Program("procctl-cli"), copy,
                               std::filesystem::copy_options::overwrite_existing);
    Launch launch;
    launch.argv = std::move(arguments);
    launch.argv.insert(launch.argv.begin(), copy);
    launch.uid = user;
    launch.env = {{"XDG_RUNTIME_DIR", xdg_runtime_dir}};
    return RunToEnd(std::move(launch), 60s);
  }
  Finished CliAs(uid_t user, std::vector<std::string> command) {
    return RawCliAs(user, Arguments(std::move(command)), "");
  }

  // One that goes on while the test does something else.
  Child Begin(std::vector<std::string> command) {
    Launch launch;
    launch.argv = Arguments(std::move(command));
    launch.argv.insert(launch.argv.begin(), e2e::Program("procctl-cli"));
    launch.out = fleet_.folder() + "/begun.out";
    launch.err = fleet_.folder() + "/begun.err";
    WriteFile(launch.out, "");
    return Child(std::move(launch));
  }

  v1::Program Row(const std::string& label) {
    const Finished list = Cli({"programs", "-o", "json"});
    ExpectOk(list);
    for (const v1::FleetProgram& row : ParseList<v1::FleetProgram>(list.out, "programs")) {
      if (row.program().label() == label) return row.program();
    }
    throw HarnessError("no program " + label + " in " + list.out);
  }
  pid_t AwaitRunning(const std::string& label) {
    pid_t pid = 0;
    Await(
        30s, label + " running",
        [&] {
          const v1::Program row = Row(label);
          pid = row.incarnation().pid();
          return row.state() == v1::PROGRAM_STATE_RUNNING;
        },
        [&] { return fleet_.node("n1").Log(); });
    return pid;
  }

  Fleet fleet_{{}};
};

TEST_F(Local, ProgramsAreLookedAfter) {
  const std::string web = Entry("web", kForever, {"restart: always", "backoff: {first: 0s}"});
  const std::string chatty = Entry("chatty", "echo 'first line'; " + std::string(kForever),
                                   {"output: {stdout: '" + fleet_.folder() + "/chatty.out'}"});
  Start(web + chatty);
  const pid_t first = AwaitRunning("web");
  AwaitRunning("chatty");
  const FleetProcess first_process(first);

  // With the node's name and without it.
  ExpectOk(Cli({"stop", "web", "--reason", "a new disk"}));
  EXPECT_TRUE(first_process.Gone());
  const v1::Program stopped = Row("web");
  EXPECT_EQ(stopped.state(), v1::PROGRAM_STATE_STOPPED);
  EXPECT_THAT(stopped.message(), HasSubstr(geteuid() == 0 ? "local/root" : "local/"));
  ExpectOk(Cli({"start", "n1/web"}));
  const pid_t second = AwaitRunning("web");
  EXPECT_NE(second, first);
  const Finished restarted = Cli({"restart", "web", "chatty", "--max-unavailable", "1", "--yes"});
  ExpectOk(restarted);
  EXPECT_THAT(restarted.out, HasSubstr("2 restarted, 0 failed"));
  EXPECT_NE(AwaitRunning("web"), second);

  // A line for each of its two lives, once the logger has them.
  Finished logs;
  Await(
      30s, "both lines",
      [&] {
        logs = Cli({"logs", "chatty"});
        return logs.exit_code == 0 && logs.out == "first line\nfirst line\n";
      },
      [&] { return logs.out + logs.err; });

  const Finished table = Cli({"programs"});
  ExpectOk(table);
  EXPECT_THAT(table.out, AllOf(HasSubstr("web"), HasSubstr("chatty"), HasSubstr("running")));
  EXPECT_THAT(Cli({"programs", "--state", "parked"}).out, Not(HasSubstr("chatty")));
  EXPECT_EQ(Cli({"programs", "--state", "perked"}).exit_code, 2);

  // The guardian of the host reads its file again, and says what is wrong with it.
  fleet_.SetPrograms("n1", web + chatty + Entry("third", kForever));
  ExpectOk(Cli({"reload"}));
  AwaitRunning("third");
  fleet_.SetPrograms("n1", web + Entry("bad", kForever, {"grce: 1s"}));
  const Finished refused = Cli({"reload", "n1"});
  EXPECT_EQ(refused.exit_code, 1) << refused.out << refused.err;
  EXPECT_THAT(refused.out, HasSubstr("node.yaml:"));
  AwaitRunning("chatty");
}

TEST_F(Local, OutputIsFollowedAsItIsWritten) {
  const std::string go = fleet_.folder() + "/go";
  Start(Entry("writer",
              "echo hello; while [ ! -e " + go + " ]; do sleep 0.05; done; echo bye; " + kForever,
              {"output: {stdout: '" + fleet_.folder() + "/writer.out'}"}));
  AwaitRunning("writer");
  Child follower = Begin({"logs", "-f", "writer"});
  follower.AwaitLine("hello", 30s);
  WriteFile(go, "");
  follower.AwaitLine("bye", 30s);
  follower.Signal(SIGINT);
  const auto status = follower.WaitExit(30s);
  ASSERT_TRUE(status && WIFEXITED(*status));
  EXPECT_EQ(WEXITSTATUS(*status), 130);
}

TEST_F(Local, SlotsAreListedHeldAndKilled) {
  Node& node = Start();
  Child& worker =
      fleet_.StartProgram(node, {"worker", "--name", "encoder", "--timeout-ms", "60000"});
  Child& stubborn =
      fleet_.StartProgram(node, {"stubborn", "--name", "mule", "--timeout-ms", "60000"});
  const Finished list = Cli({"list"});
  ExpectOk(list);
  EXPECT_THAT(list.out, AllOf(HasSubstr("encoder"), HasSubstr("mule"),
                              HasSubstr("1 node (1 connected), 2 slots: 2 alive")));
  EXPECT_THAT(Cli({"list", "--name", "mule"}).out, Not(HasSubstr("encoder")));
  EXPECT_THAT(Cli({"describe", "encoder"}).out, HasSubstr("encoder"));
  EXPECT_THAT(Cli({"describe", "n1"}).out, HasSubstr("enforce"));

  ExpectOk(Cli({"hold", "encoder", "--for", "30m", "--reason", "debugging"}));
  EXPECT_THAT(Cli({"list"}).out, HasSubstr("debugging"));
  ExpectOk(Cli({"release", "encoder"}));
  EXPECT_THAT(Cli({"list"}).out, Not(HasSubstr("debugging")));

  // By pid, and both steps of the ladder.
  ExpectOk(Cli({"kill", ":" + std::to_string(worker.pid()), "--reason", "stuck"}));
  EXPECT_TRUE(worker.WaitExit(10s));
  const Finished kill = Cli({"kill", "mule", "--grace", "100ms"});
  ExpectOk(kill);
  EXPECT_THAT(kill.out, HasSubstr("SIGKILL"));
  EXPECT_TRUE(stubborn.WaitExit(10s));
  EXPECT_EQ(Cli({"kill", "mule"}).exit_code, 3);
}

TEST_F(Local, WhatItCannotDoItSays) {
  Start();
  for (const std::vector<std::string>& command : {std::vector<std::string>{"why", "web"},
                                                  {"history", "web"},
                                                  {"events"},
                                                  {"list", "nodes"}}) {
    const Finished refused = Cli(command);
    EXPECT_EQ(refused.exit_code, 2) << command[0];
    EXPECT_THAT(refused.err, HasSubstr("--controller")) << command[0];
  }
  const Finished other = Cli({"stop", "n2/web"});
  EXPECT_EQ(other.exit_code, 2);
  EXPECT_THAT(other.err, AllOf(HasSubstr("n2/web"), HasSubstr("this host is n1")));
}

TEST_F(Local, OnlyRootAndItsOwnUserAreServed) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root, to come as other users";
  NodeOptions options;
  options.with_controller = false;
  options.uid = kNobody;
  Node& node = fleet_.StartNode("n1", options);
  struct stat info {};
  ASSERT_EQ(stat((node.runtime() + "/control.sock").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777U, 0600U);
  EXPECT_EQ(info.st_uid, kNobody);
  EXPECT_EQ(Cli({"list"}).exit_code, 0);
  const Finished own = CliAs(kNobody, {"list"});
  EXPECT_EQ(own.exit_code, 0) << own.err;
  const Finished refused = CliAs(kSomebody, {"list"});
  EXPECT_EQ(refused.exit_code, 4) << refused.out << refused.err;
  EXPECT_THAT(refused.err, HasSubstr("for root and for the user"));

  // Its own user need not say where it is, and learns of it where nobody else is named.
  const std::string xdg = fleet_.folder() + "/xdg";
  std::filesystem::create_directory(xdg);
  std::filesystem::create_directory_symlink(node.runtime(), xdg + "/procctl");
  const Finished found = RawCliAs(kNobody, {"--local", "list"}, xdg);
  EXPECT_EQ(found.exit_code, 0) << found.err;
  const Finished unnamed = RawCliAs(kNobody, {"list"}, xdg);
  EXPECT_EQ(unnamed.exit_code, 2);
  EXPECT_THAT(unnamed.err, AllOf(HasSubstr("--controller"), HasSubstr("procctl-cli --local")));
}

TEST_F(Local, TheEndOfTheGuardianIsToldToWhoWaits) {
  Node& node = Start();
  fleet_.StartProgram(node, {"stubborn", "--name", "mule", "--timeout-ms", "60000"});
  Child killer = Begin({"kill", "mule", "--grace", "300s", "--timeout", "2s"});
  Await(
      30s, "SIGTERM", [&] { return killer.Out().find("SIGTERM") != std::string::npos; },
      [&] { return killer.Out() + killer.Err() + node.Log(); });
  node.guardian().Kill();
  const auto status = killer.WaitExit(60s);
  ASSERT_TRUE(status && WIFEXITED(*status));
  EXPECT_EQ(WEXITSTATUS(*status), 5) << killer.Out() << killer.Err();
  EXPECT_THAT(killer.Err(), HasSubstr("procctl-node"));
  const Finished list = Cli({"list"});
  EXPECT_EQ(list.exit_code, 5) << list.out << list.err;
  EXPECT_THAT(list.err, AllOf(HasSubstr("nobody serves"), HasSubstr("control.sock")));
}

TEST_F(Local, AKillIsFollowedIntoTheLifeOfTheNextGuardian) {
  Node& node = Start();
  Child& mule = fleet_.StartProgram(node, {"stubborn", "--name", "mule", "--timeout-ms", "60000"});
  Child killer = Begin({"kill", "mule", "--grace", "5s"});
  Await(
      30s, "SIGTERM", [&] { return killer.Out().find("SIGTERM") != std::string::npos; },
      [&] { return killer.Out() + killer.Err() + node.Log(); });
  node.guardian().Kill();
  Start();
  const auto status = killer.WaitExit(60s);
  ASSERT_TRUE(status && WIFEXITED(*status));
  EXPECT_EQ(WEXITSTATUS(*status), 0) << killer.Out() << killer.Err() << node.Log();
  EXPECT_TRUE(mule.WaitExit(10s));
}

}  // namespace
}  // namespace procctl::e2e
