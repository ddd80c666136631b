// Ends of programs with the real binaries: why they ended, how often they are started again, and
// what becomes of all that they started.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <map>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "proto/support/time_convert.h"
#include "tests/e2e/programs_fixture.h"

namespace procctl::e2e {
namespace {

using ::testing::HasSubstr;

using ProgramEnds = Programs;

TEST_F(ProgramEnds, HistoryTellsTheTruth) {
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
  const std::string cgroup = AwaitState("removed", v1::PROGRAM_STATE_RUNNING).cgroup();
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
  EXPECT_FALSE(std::filesystem::exists(cgroup)) << cgroup;

  EXPECT_TRUE(History(fleet_, "n1/healthy").empty());
  EXPECT_EQ(AwaitState("healthy", v1::PROGRAM_STATE_RUNNING).incarnation().pid(), healthy);
  EXPECT_EQ(fleet_.Cli({"history", "n1/nobody"}).exit_code, 3);
  // As a person reads it.
  const std::map<std::string, std::pair<std::string, std::string>> words = {
      {"well", {"exit 0", "ended by itself"}},
      {"badly", {"exit 3", "ended by itself"}},
      {"faulty", {"SIGSEGV", "crashed"}},
      {"shot", {"SIGKILL", "killed by a signal from outside"}},
      {"silent", {"SIGTERM", "hung"}},
      {"ordered", {"SIGTERM", "operator/tester, \"maintenance\""}},
      {"changed", {"SIGTERM", "configuration changed"}}};
  for (const auto& [label, how] : words) {
    const Finished table = fleet_.Cli({"history", "n1/" + label});
    EXPECT_EQ(std::count(table.out.begin(), table.out.end(), '\n'), 2) << table.out;
    EXPECT_THAT(table.out, HasSubstr(how.first)) << label;
    EXPECT_THAT(table.out, HasSubstr(how.second)) << label;
  }
}

TEST_F(ProgramEnds, AProgramThatEndsTooOftenIsParkedAndRetried) {
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

TEST_F(ProgramEnds, ATreeIsGoneWithinItsGrace) {
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
  const v1::Program family = AwaitState("family", v1::PROGRAM_STATE_RUNNING);
  const FleetProcess parent(family.incarnation().pid());
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
  const auto took = At(told) - At(term);
  EXPECT_GE(took, kGrace - 100ms) << "stamped a little after it was sent";
  std::printf("cgroup.kill %lld ms after SIGTERM, grace 1000 ms\n",
              static_cast<long long>(took / 1ms));

  // A guardian that ends with all its programs leaves no cgroups behind.
  const std::filesystem::path tree = std::filesystem::path(family.cgroup()).parent_path();
  EXPECT_TRUE(std::filesystem::exists(tree)) << tree;
  node.guardian().Signal(SIGINT);
  EXPECT_TRUE(node.guardian().WaitExit(30s));
  EXPECT_FALSE(std::filesystem::exists(tree)) << tree;
}

}  // namespace
}  // namespace procctl::e2e
