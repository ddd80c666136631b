// MAINPID: a program of door notify names another process of its tree as its main process.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "tests/node/guardian/guardian_parts.h"

namespace procctl::node {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

class MainPid : public testing::Test {
 protected:
  std::shared_ptr<ProgramSpec> Forker(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), PROCCTL_FORKER);
    auto spec = MakeSpec(std::move(arguments));
    spec->door = v1::DOOR_NOTIFY;
    spec->watchdog = std::chrono::minutes(5);
    spec->grace = std::chrono::seconds(5);
    return spec;
  }
  void Begin(const std::vector<std::shared_ptr<const ProgramSpec>>& specs) {
    specs_ = specs;
    guardian_ = std::make_unique<GuardianParts>(&host_);
    guardian_->Begin(specs_);
  }
  void TakeOver() {
    guardian_.reset();
    guardian_ = std::make_unique<GuardianParts>(&host_);
    guardian_->Begin(specs_);
  }
  std::vector<v1::Event> Changes() const {
    return guardian_->Events(v1::EVENT_KIND_PROGRAM_MAIN_CHANGED);
  }
  std::vector<v1::Event> Ends() const { return guardian_->Events(v1::EVENT_KIND_PROGRAM_ENDED); }
  bool UntilChanged() {
    return guardian_->Until([&] { return !Changes().empty(); }) && guardian_->UntilRunning();
  }
  int32_t pid() { return guardian_->instance().main_pid(); }
  // Of the process that was started.
  int32_t First() {
    return guardian_->Events(v1::EVENT_KIND_PROGRAM_STARTED).front().incarnation().pid();
  }
  static bool Lives(int32_t process) {
    const auto stat = ReadStat(process);
    return stat && !HasEnded(*stat);
  }
  // Nothing more happens for a while.
  void Settle() {
    for (int i = 0; i < 60; ++i) guardian_->Turn();
  }

  Host host_;
  std::vector<std::shared_ptr<const ProgramSpec>> specs_;
  std::unique_ptr<GuardianParts> guardian_;
};

TEST_F(MainPid, TheOneThatItNamesIsWatchedAndTheEndOfTheOldOneIsNoEnd) {
  auto spec = Forker({});
  Begin({spec});
  ASSERT_TRUE(UntilChanged());
  const int32_t first = First();
  const int32_t worker = pid();
  ASSERT_NE(worker, first);
  ASSERT_TRUE(Lives(worker));
  ASSERT_TRUE(guardian_->Until([&] { return !Lives(first); }));
  Settle();
  EXPECT_THAT(Ends(), IsEmpty());
  EXPECT_EQ(guardian_->state(), v1::PROGRAM_STATE_RUNNING);
  EXPECT_EQ(pid(), worker);

  ASSERT_THAT(Changes(), SizeIs(1));
  const v1::Event change = Changes().front();
  EXPECT_EQ(change.program(), "web");
  EXPECT_EQ(change.incarnation().pid(), worker);
  EXPECT_THAT(change.message(), AllOf(HasSubstr("pid " + std::to_string(worker)),
                                      HasSubstr("pid " + std::to_string(first))));
  EXPECT_THAT(change.reason(), HasSubstr("was pid " + std::to_string(first)));

  // One slot: another one, of the same label and terms.
  ASSERT_THAT(guardian_->table().slots(), SizeIs(1));
  const Slot* slot = guardian_->slot();
  ASSERT_NE(slot, nullptr);
  EXPECT_EQ(slot->label, "web");
  EXPECT_EQ(slot->process->identity().pid, worker);
  EXPECT_EQ(slot->terms.timeout, spec->watchdog);
  EXPECT_EQ(guardian_->table().cell(*slot).mode, HeartMode::kPlain);
  EXPECT_EQ(guardian_->instance().Row().incarnation().pid(), worker);
}

TEST_F(MainPid, HowItEndedIsKnownAndIsTheEndOfTheProgram) {
  for (const char* daemon : {"0", "1"}) {
    Begin({Forker({"--daemon", daemon, "--exit-code", "7"})});
    ASSERT_TRUE(UntilChanged()) << daemon;
    const int32_t worker = pid();
    ASSERT_TRUE(guardian_->Until([&] { return !Lives(First()); }));
    ASSERT_EQ(kill(worker, SIGTERM), 0);
    ASSERT_TRUE(guardian_->Until([&] { return !Ends().empty(); }));
    EXPECT_EQ(Ends().front().incarnation().pid(), worker);
    EXPECT_TRUE(Ends().front().death().status_known());
    EXPECT_EQ(Ends().front().death().exit_code(), 7);
    // And another life begins.
    ASSERT_TRUE(guardian_->Until([&] { return Changes().size() >= 2; }));
    guardian_.reset();
    std::filesystem::remove(host_.folder + "/journal");
  }
}

TEST_F(MainPid, AGuardianThatTakesOverGoesOnWithIt) {
  for (const char* daemon : {"0", "1"}) {
    Begin({Forker({"--daemon", daemon})});
    ASSERT_TRUE(UntilChanged()) << daemon;
    const int32_t worker = pid();
    const int64_t generation = guardian_->slot()->generation;
    TakeOver();
    ASSERT_TRUE(guardian_->UntilRunning());
    EXPECT_EQ(pid(), worker);
    ASSERT_NE(guardian_->slot(), nullptr);
    EXPECT_EQ(guardian_->slot()->generation, generation);
    EXPECT_THAT(guardian_->table().slots(), SizeIs(1));
    Settle();
    EXPECT_THAT(Ends(), IsEmpty());
    ASSERT_EQ(kill(worker, SIGKILL), 0);
    ASSERT_TRUE(guardian_->Until([&] { return !Ends().empty(); }));
    EXPECT_EQ(Ends().front().incarnation().pid(), worker);
    guardian_.reset();
    std::filesystem::remove(host_.folder + "/journal");
  }
}

TEST_F(MainPid, TheLadderOfOneThatHangsGoesToTheNewOne) {
  auto spec = Forker({"--daemon", "1"});
  spec->watchdog = std::chrono::seconds(1);
  Begin({spec});
  ASSERT_TRUE(UntilChanged());
  const int32_t worker = pid();
  ASSERT_EQ(kill(worker, SIGUSR1), 0);
  ASSERT_TRUE(guardian_->Until([&] { return !Ends().empty(); }));
  EXPECT_EQ(Ends().front().incarnation().pid(), worker);
  EXPECT_EQ(Ends().front().cause(), v1::CAUSE_HEARTBEAT);
}

TEST_F(MainPid, AStopGoesToTheNewOneAndThenToAllOfTheTree) {
  // The old one stays and never ends by itself but on a signal.
  Begin({Forker({"--daemon", "1", "--stay", "1"})});
  ASSERT_TRUE(UntilChanged());
  const int32_t first = First();
  const int32_t worker = pid();
  Settle();
  ASSERT_TRUE(Lives(first));
  (void)guardian_->instance().life().OrderStop({"o", "ada", "test"});
  ASSERT_TRUE(guardian_->Until([&] { return !Ends().empty(); }));
  EXPECT_EQ(Ends().front().incarnation().pid(), worker);
  EXPECT_EQ(Ends().front().cause(), v1::CAUSE_OPERATOR);
  ASSERT_TRUE(guardian_->Until([&] { return guardian_->state() == v1::PROGRAM_STATE_STOPPED; }));
  EXPECT_FALSE(Lives(first)) << "it is of the tree, in another session";
}

TEST_F(MainPid, WhoDoesNotBelongIsIgnored) {
  auto other = MakeSpec({"/bin/sleep", "1000"});
  other->name = "other";
  // The last one: nobody has this number.
  for (const int32_t claimed :
       {0, 1, static_cast<int32_t>(getpid()), static_cast<int32_t>(getppid()), 2147483600}) {
    Begin({other});
    ASSERT_TRUE(guardian_->UntilRunning("other"));
    const int32_t named = claimed == 0 ? guardian_->instance("other").main_pid() : claimed;
    guardian_->Begin({Forker({"--stay", "1", "--claim", std::to_string(named)})});
    ASSERT_TRUE(guardian_->UntilRunning()) << named;
    Settle();
    EXPECT_THAT(Changes(), IsEmpty()) << named;
    EXPECT_EQ(pid(), guardian_->Events(v1::EVENT_KIND_PROGRAM_STARTED).back().incarnation().pid());
    EXPECT_THAT(Ends(), IsEmpty()) << named;
    guardian_.reset();
    std::filesystem::remove(host_.folder + "/journal");
  }
}

}  // namespace
}  // namespace procctl::node
