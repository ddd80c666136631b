#include "node/os/program_cgroup.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "node/os/proc_file.h"
#include "spdlog/fmt/fmt.h"
#include "tests/node/os/program_fixture.h"

namespace procctl::node {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// A plain folder that stands in for a group whose owner gave us controllers.
class FakeCgroups : public testing::Test {
 protected:
  void SetUp() override { mkdir(own_.c_str(), 0755); }
  void Put(const std::string& path, const std::string& text = "") {
    std::filesystem::create_directories(std::filesystem::path(path).parent_path());
    std::ofstream(path) << text;
  }
  std::string Get(const std::string& path) { return ReadSmallFile(path).value_or("absent"); }
  // As the kernel does for each group below one that gives `controllers`.
  void Offer(const std::string& controllers) {
    for (const std::string& folder : {own_, own_ + "/programs"}) {
      Put(folder + "/cgroup.controllers", controllers + "\n");
      Put(folder + "/cgroup.subtree_control");
    }
  }
  CgroupTree Open(bool delegated = true) {
    return CgroupTree::OpenAt({own_, "", delegated}, "programs");
  }

  Scratch scratch_;
  std::string own_ = scratch_ / "own";
};

TEST_F(FakeCgroups, ControllersAreTurnedOnAllTheWay) {
  Offer("cpuset memory pids");
  const CgroupTree tree = Open();
  EXPECT_TRUE(tree.available());
  EXPECT_THAT(tree.controllers(), ElementsAre("memory", "pids"));
  EXPECT_EQ(tree.why_no_controllers(), "");
  EXPECT_EQ(Get(own_ + "/cgroup.subtree_control"), "+pids");
  EXPECT_EQ(Get(own_ + "/programs/cgroup.subtree_control"), "+pids");
}

TEST_F(FakeCgroups, TheGuardianMakesRoomFirst) {
  Offer("memory");
  Put(own_ + "/cgroup.type", "domain\n");
  Put(own_ + "/cgroup.procs");
  Put(own_ + "/guardian/cgroup.procs");
  EXPECT_THAT(Open().controllers(), ElementsAre("memory"));
  EXPECT_EQ(Get(own_ + "/guardian/cgroup.procs"), "0") << "which is whoever writes it";
}

TEST_F(FakeCgroups, WithOthersInItsGroupThereAreNoControllers) {
  Offer("memory");
  Put(own_ + "/programs/cgroup.controllers");
  Put(own_ + "/cgroup.type", "domain\n");
  Put(own_ + "/cgroup.procs", fmt::format("{}\n{}\n", getppid(), getpid()));
  const CgroupTree tree = Open();
  EXPECT_TRUE(tree.available());
  EXPECT_THAT(tree.controllers(), IsEmpty());
  EXPECT_EQ(Get(own_ + "/cgroup.subtree_control"), "");
  EXPECT_FALSE(std::filesystem::exists(own_ + "/guardian")) << "it stays where it is";
  EXPECT_THAT(tree.why_no_controllers(), HasSubstr(fmt::format("and holds {} (", getppid())));
}

TEST_F(FakeCgroups, NorWithProcessesThatCannotBeSeen) {
  Offer("memory");
  Put(own_ + "/programs/cgroup.controllers");
  Put(own_ + "/cgroup.type", "domain\n");
  // As the kernel writes those of an outer pid namespace.
  Put(own_ + "/cgroup.procs", "0\n");
  Put(own_ + "/guardian/cgroup.procs");
  const CgroupTree tree = Open();
  EXPECT_THAT(tree.controllers(), IsEmpty());
  EXPECT_EQ(Get(own_ + "/cgroup.subtree_control"), "");
  EXPECT_THAT(tree.why_no_controllers(), HasSubstr("cannot be seen from here"));
}

TEST_F(FakeCgroups, WhatIsNotOursIsLeftAlone) {
  Offer("memory");
  Put(own_ + "/programs/cgroup.controllers");
  Put(own_ + "/cgroup.type", "domain\n");
  const CgroupTree tree = Open(false);
  EXPECT_TRUE(tree.available());
  EXPECT_THAT(tree.controllers(), IsEmpty());
  EXPECT_EQ(Get(own_ + "/cgroup.subtree_control"), "");
  EXPECT_FALSE(std::filesystem::exists(own_ + "/guardian"));
  EXPECT_THAT(tree.why_no_controllers(), HasSubstr("is not delegated to procctl-node"));
}

TEST_F(FakeCgroups, SaysWhyThereAreNone) {
  const CgroupTree nowhere = CgroupTree::OpenAt({"", "no cgroup v2", false}, "programs");
  EXPECT_FALSE(nowhere.available());
  EXPECT_EQ(nowhere.why_not(), "no cgroup v2");
  EXPECT_EQ(nowhere.Make("web").status().message(), "no cgroup v2");
  const CgroupTree missing = CgroupTree::OpenAt({own_ + "/missing", "", true}, "programs");
  EXPECT_FALSE(missing.available());
  EXPECT_THAT(missing.why_not(), HasSubstr("No such file or directory"));
}

TEST_F(FakeCgroups, LimitsAreWrittenAndLifted) {
  const auto group = Open().Make("web@2");
  ASSERT_TRUE(group.ok()) << group.status();
  for (const char* file : {"memory.high", "memory.max", "cpu.max", "pids.max", "io.weight"})
    Put(group->path() + "/" + file);
  CgroupLimits limits;
  limits.memory_high = 1 << 20;
  limits.memory_max = int64_t{1} << 40;
  limits.cpu_percent = 150;
  limits.pids = 10;
  limits.io_weight = 50;
  ASSERT_TRUE(group->Apply(limits).ok());
  EXPECT_EQ(Get(group->path() + "/memory.high"), "1048576");
  EXPECT_EQ(Get(group->path() + "/memory.max"), "1099511627776");
  EXPECT_EQ(Get(group->path() + "/cpu.max"), "150000 100000");
  EXPECT_EQ(Get(group->path() + "/pids.max"), "10");
  EXPECT_EQ(Get(group->path() + "/io.weight"), "default 50");
  ASSERT_TRUE(group->Apply({}).ok());
  EXPECT_EQ(Get(group->path() + "/memory.high"), "max");
  EXPECT_EQ(Get(group->path() + "/memory.max"), "max");
  EXPECT_EQ(Get(group->path() + "/cpu.max"), "max 100000");
  EXPECT_EQ(Get(group->path() + "/pids.max"), "max");
  EXPECT_EQ(Get(group->path() + "/io.weight"), "default 100");
}

TEST_F(FakeCgroups, EachLimitThatCannotHoldIsRefused) {
  const CgroupTree tree = Open();
  const auto group = tree.Make("web");
  ASSERT_TRUE(group.ok()) << group.status();
  Put(group->path() + "/pids.max");
  CgroupLimits limits;
  limits.memory_max = 1 << 20;
  limits.cpu_percent = 50;
  limits.pids = 5;
  const std::string refused(group->Apply(limits).message());
  const std::string what_to_do =
      "; start procctl-node as a systemd service with Delegate=yes or remove the limit (" + own_ +
      " offers no controllers)";
  EXPECT_EQ(refused, "memory_max needs the memory controller of cgroup v2" + what_to_do +
                         "; cpu_percent needs the cpu controller of cgroup v2" + what_to_do);
  EXPECT_EQ(Get(group->path() + "/pids.max"), "5");
  EXPECT_THAT(std::string(tree.Check(limits).message()),
              HasSubstr("pids needs the pids controller"));
  EXPECT_TRUE(tree.Check({}).ok());
}

TEST_F(FakeCgroups, OomKillsAreCounted) {
  const auto group = Open().Make("web");
  ASSERT_TRUE(group.ok());
  EXPECT_EQ(group->OomKills(), 0);
  Put(group->path() + "/memory.events",
      "low 0\nhigh 4\nmax 17\noom 3\noom_kill 2\noom_group_kill 9\n");
  EXPECT_EQ(group->OomKills(), 2);
}

TEST_F(FakeCgroups, NoLabelLeavesTheTree) {
  const CgroupTree tree = Open();
  for (const char* label : {"", "a/b", "a b", "\n", "ä"})
    EXPECT_EQ(tree.Make(label).status().code(), absl::StatusCode::kInvalidArgument) << label;
  EXPECT_FALSE(tree.Make(std::string(250, 'a')).ok());
  for (const char* label : {"..", ".", "cgroup.procs", "web@1"})
    EXPECT_TRUE(tree.Make(label).ok()) << label;
  EXPECT_TRUE(std::filesystem::is_directory(tree.path() + "/cgroup.procs.program"));
}

TEST_F(FakeCgroups, WithoutCgroupKillEachIsKilled) {
  auto process = StartProgram(Shell("exec sleep 1000"));
  ASSERT_TRUE(process.ok()) << process.status();
  const auto group = Open().Make("web");
  ASSERT_TRUE(group.ok());
  Put(group->procs_path());
  Put(group->path() + "/inner/cgroup.procs", std::to_string(process->identity().pid) + "\n0\n");
  EXPECT_TRUE(group->Kill().ok());
  EXPECT_EQ(AwaitEnd(*process).si_status, SIGKILL);
}

// The kernel's own groups, where this process may make some.
class RealCgroups : public testing::Test {
 protected:
  void SetUp() override {
    OwnCgroup own = FindOwnCgroup();
    // The runner of the tests is not to be moved.
    own.delegated = false;
    tree_ = CgroupTree::OpenAt(own, "procctl-os-test-" + std::to_string(getpid()));
    if (!tree_.available()) GTEST_SKIP() << tree_.why_not();
  }
  void TearDown() override {
    if (!tree_.available()) return;
    tree_.Remove();
    EXPECT_FALSE(std::filesystem::exists(tree_.path())) << tree_.path();
  }

  ProcessRef Start(const ProgramCgroup& group, const std::string& script) {
    ProgramStart start = Shell(script);
    start.stdout_fifo = out_.path();
    start.cgroup_procs = group.procs_path();
    auto process = StartProgram(start);
    if (!process.ok()) ADD_FAILURE() << process.status();
    return *std::move(process);
  }

  static bool Empties(const ProgramCgroup& group) {
    const UniqueFd events = group.OpenEvents();
    while (ProgramCgroup::ReadPopulated(events)) {
      pollfd changes{events.get(), POLLPRI, 0};
      if (poll(&changes, 1, kPatienceMs) != 1) return false;
    }
    return !group.Populated();
  }

  Scratch scratch_;
  Fifo out_{scratch_ / "out"};
  CgroupTree tree_ = CgroupTree::OpenAt({"", "not opened", false}, "");
};

TEST_F(RealCgroups, AGrandchildWithASessionOfItsOwnDiesWithItsProgram) {
  const auto group = tree_.Make("web@1");
  ASSERT_TRUE(group.ok()) << group.status();
  EXPECT_FALSE(group->Populated());
  ProcessRef leader =
      Start(*group, "setsid sh -c 'trap \"\" TERM; echo $$; sleep 1000; sleep 1000' & wait");
  auto grandchild = ProcessRef::Open(std::atoi(out_.Line().c_str()));
  ASSERT_TRUE(grandchild.ok()) << grandchild.status();
  EXPECT_TRUE(group->Populated());
  std::set<int32_t> pids;
  for (const TreeMember& member : group->Members()) pids.insert(member.pid);
  EXPECT_EQ(pids.count(leader.identity().pid), 1U);
  EXPECT_EQ(pids.count(grandchild->identity().pid), 1U);
  EXPECT_EQ(pids.count(getpid()), 0U);
  EXPECT_THAT(std::string(tree_.Make("web@1").status().message()), HasSubstr("still holds"));
  EXPECT_THAT(std::string(group->Remove().message()), HasSubstr("in it are"));

  ASSERT_TRUE(group->Kill().ok());
  EXPECT_EQ(AwaitEnd(leader).si_status, SIGKILL);
  EXPECT_TRUE(Readable(grandchild->pidfd()));
  ASSERT_TRUE(Empties(*group));
  EXPECT_THAT(group->Members(), IsEmpty());
  EXPECT_TRUE(group->Remove().ok());
  EXPECT_TRUE(group->Remove().ok()) << "it is gone already";
  EXPECT_TRUE(group->Kill().ok());
  EXPECT_FALSE(group->OpenEvents());
}

TEST_F(RealCgroups, NobodyIsBornFrozen) {
  const auto group = tree_.Make("web");
  ASSERT_TRUE(group.ok()) << group.status();
  const std::string freeze = group->path() + "/cgroup.freeze";
  if (access(freeze.c_str(), W_OK) != 0) GTEST_SKIP() << "this kernel's v2 groups have no freezer";
  ASSERT_TRUE(std::ofstream(freeze) << "1" << std::flush);
  ASSERT_TRUE(tree_.Make("web").ok());
  std::string text;
  ASSERT_TRUE(std::ifstream(freeze) >> text);
  EXPECT_EQ(text, "0");
}

TEST_F(RealCgroups, ATreeThatWasRemovedIsMadeAgainWhenAProgramComes) {
  tree_.Remove();
  EXPECT_FALSE(std::filesystem::exists(tree_.path()));
  const auto group = tree_.Make("web");
  ASSERT_TRUE(group.ok()) << group.status();
  EXPECT_TRUE(std::filesystem::exists(group->path()));
  EXPECT_FALSE(group->Populated());
}

TEST_F(RealCgroups, OnlyEmptyOnesAreRemoved) {
  const auto lives = tree_.Make("lives");
  const auto empty = tree_.Make("empty");
  ASSERT_TRUE(lives.ok() && empty.ok());
  ASSERT_EQ(mkdir((empty->path() + "/inner").c_str(), 0755), 0);
  ProcessRef leader = Start(*lives, "exec sleep 1000");
  tree_.RemoveEmpty();
  EXPECT_FALSE(std::filesystem::exists(empty->path()));
  const ProgramCgroup adopted = tree_.Adopt("lives");
  EXPECT_EQ(adopted.path(), lives->path());
  EXPECT_TRUE(adopted.Populated());
  tree_.Remove();
  EXPECT_TRUE(std::filesystem::exists(adopted.path())) << "somebody lives in it";
  ASSERT_TRUE(adopted.Kill().ok());
  (void)AwaitEnd(leader);
  EXPECT_TRUE(Empties(adopted));
}

TEST_F(RealCgroups, LimitsHoldOrAreRefused) {
  const auto group = tree_.Make("limited");
  ASSERT_TRUE(group.ok());
  CgroupLimits limits;
  limits.pids = 3;
  const absl::Status applied = group->Apply(limits);
  if (tree_.controllers().count("pids") == 0) {
    EXPECT_THAT(std::string(applied.message()), HasSubstr("pids needs the pids controller"));
    return;
  }
  ASSERT_TRUE(applied.ok()) << applied;
  ProcessRef leader = Start(*group, "sleep 1000 & sleep 1000 & sleep 1000 & sleep 1000 & wait");
  const siginfo_t end = AwaitEnd(leader);
  EXPECT_EQ(end.si_code, CLD_EXITED);
  EXPECT_NE(end.si_status, 0) << "a shell that cannot fork says so";
  EXPECT_TRUE(group->Kill().ok());
  EXPECT_TRUE(Empties(*group));
}

}  // namespace
}  // namespace procctl::node
