// Programs of a node that may make no cgroups: a process group and the subreaper are all it has.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <sstream>
#include <string>
#include <vector>

#include "tests/e2e/harness/cgroup_view.h"
#include "tests/e2e/programs_fixture.h"

namespace procctl::e2e {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr auto kGrace = 1s;

struct View {
  const char* name;
  bool (*make)();
  // What the node says of it.
  const char* reason;
};

class ProgramsWithoutCgroups : public Programs, public ::testing::WithParamInterface<View> {
 protected:
  // The pids that the family wrote down: both are deaf to SIGTERM, the second leads a session.
  std::vector<pid_t> AwaitChildren(const std::string& list) {
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
    return pids;
  }
};

std::string Texts(const std::vector<v1::Event>& events) {
  std::string texts;
  for (const v1::Event& event : events) texts += event.message() + "\n";
  return texts;
}

TEST_P(ProgramsWithoutCgroups, TheGroupIsGoneWithinItsGraceAndWhoLeftItIsNamed) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root to make a mount namespace";
  const std::string list = fleet_.folder() + "/children";
  const std::string deaf = "(trap \"\" TERM; exec ";
  NodeOptions options;
  options.prepare = GetParam().make;
  options.programs = Entry("family",
                           deaf + "sleep 303) & echo $! >> " + list + "; " + deaf +
                               "setsid sleep 304) & echo $! >> " + list + "; " + kForever,
                           {"grace: 1s"});
  fleet_.StartController();
  Node& node = fleet_.StartNode("n1", options);
  fleet_.AwaitConnected(1, 30s);
  EXPECT_THAT(node.Log(), HasSubstr("programs run without cgroups of their own: "));
  EXPECT_THAT(node.Log(), HasSubstr(GetParam().reason));
  const v1::Program family = AwaitState("family", v1::PROGRAM_STATE_RUNNING);
  EXPECT_EQ(family.cgroup(), "");
  const Finished described = fleet_.Cli({"describe", "n1/family"});
  EXPECT_EQ(described.exit_code, 0) << described.err;
  EXPECT_THAT(described.out, HasSubstr("process group only"));

  const std::vector<pid_t> pids = AwaitChildren(list);
  const FleetProcess parent(family.incarnation().pid());
  const FleetProcess child(pids[0]);
  const FleetProcess far_child(pids[1]);
  ExpectOk(fleet_.Cli({"stop", "n1/family", "--no-wait"}));
  EXPECT_TRUE(Eventually(kGrace + 10s, [&] { return parent.Gone() && child.Gone(); }))
      << parent.Gone() << child.Gone() << node.Log();
  // By the node's own clock: nobody is left to be stopped, and it says so.
  AwaitState("family", v1::PROGRAM_STATE_STOPPED);

  const std::string named = "sleep (pid " + std::to_string(far_child.pid()) + ")";
  const v1::Event orphan =
      fleet_.AwaitEvent("the one that left its session", 30s, [&](const v1::Event& event) {
        return event.kind() == v1::EVENT_KIND_PROGRAM_LEFTOVERS &&
               event.message().find(named) != std::string::npos;
      });
  EXPECT_EQ(orphan.severity(), v1::SEVERITY_WARNING);
  EXPECT_EQ(orphan.incarnation().pid(), far_child.pid());
  EXPECT_THAT(orphan.message(), HasSubstr("without cgroup v2"));
  EXPECT_THAT(orphan.message(), HasSubstr(GetParam().reason));
  EXPECT_FALSE(far_child.Gone()) << "nobody can say whose it is: it is not guessed at";

  const v1::Event swept =
      fleet_.AwaitEvent("leftovers", 30s, Is(v1::EVENT_KIND_PROGRAM_LEFTOVERS), "program=family");
  EXPECT_THAT(swept.message(), HasSubstr("sleep (pid " + std::to_string(child.pid()) + ")"));
  EXPECT_THAT(swept.message(), Not(HasSubstr(std::to_string(far_child.pid()))));
  const v1::Event term =
      fleet_.AwaitEvent("SIGTERM", 30s, Is(v1::EVENT_KIND_TERM_SENT, parent.pid()));
  const auto took = At(swept) - At(term);
  EXPECT_GE(took, kGrace - 100ms) << "stamped a little after it was sent";
  RecordProperty("group_killed_after_ms", std::to_string(took / 1ms));
  std::printf("SIGKILL to the group %lld ms after SIGTERM, grace 1000 ms\n",
              static_cast<long long>(took / 1ms));

  // It came to its guardian, and is told once. What is left is for people to end.
  EXPECT_TRUE(Throughout(2s, [&] { return Count(v1::EVENT_KIND_PROGRAM_LEFTOVERS) == 2; }))
      << Texts(Of(v1::EVENT_KIND_PROGRAM_LEFTOVERS));
  far_child.SignalChildOf(node.guardian().pid(), SIGKILL);
  EXPECT_TRUE(Eventually(10s, [&] { return far_child.Gone(); }));
  EXPECT_TRUE(Eventually(10s, [&] {
    return ReadFile("/proc/" + std::to_string(far_child.pid()) + "/stat").empty();
  })) << "reaped by the guardian";
}

INSTANTIATE_TEST_SUITE_P(
    Hosts, ProgramsWithoutCgroups,
    ::testing::Values(View{"NoneMounted", HideCgroupV2, "no cgroup v2 hierarchy is mounted"},
                      View{"ReadOnly", MakeCgroupV2ReadOnly, "Read-only file system"}),
    [](const auto& view) { return std::string(view.param.name); });

}  // namespace
}  // namespace procctl::e2e
