// Programs whose guardian is killed, with a kernel that says no, and without cgroups.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>

#include "node/os/process_ref.h"
#include "tests/node/guardian/guardian_parts.h"

namespace procctl::node {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

class ProgramTakeover : public testing::Test {
 protected:
  void Begin(std::shared_ptr<ProgramSpec> spec) {
    spec_ = std::move(spec);
    guardian_ = std::make_unique<GuardianParts>(&host_);
    guardian_->Begin({spec_});
  }
  void Kill() { guardian_.reset(); }
  void TakeOver(size_t cells = Host::kCells) {
    guardian_ = std::make_unique<GuardianParts>(&host_, cells);
    guardian_->Begin({spec_});
  }
  int32_t pid() { return guardian_->instance().main_pid(); }

  Host host_;
  std::shared_ptr<ProgramSpec> spec_;
  std::unique_ptr<GuardianParts> guardian_;
};

TEST_F(ProgramTakeover, GoesOnInTheSameProcessAndSlot) {
  Begin(MakeSpec({"/bin/sleep", "1000"}));
  ASSERT_TRUE(guardian_->UntilRunning());
  const int32_t before = pid();
  const int64_t generation = guardian_->slot()->generation;
  Kill();
  TakeOver();
  ASSERT_TRUE(guardian_->UntilRunning());
  EXPECT_EQ(pid(), before);
  ASSERT_NE(guardian_->slot(), nullptr);
  EXPECT_EQ(guardian_->slot()->generation, generation);
  EXPECT_EQ(guardian_->table().Row(*guardian_->slot()).program(), "web");
}

TEST_F(ProgramTakeover, EveryHeartOfItsProcessNamesTheProgram) {
  Begin(MakeSpec({"/bin/sleep", "1000"}));
  ASSERT_TRUE(guardian_->UntilRunning());
  Slot* own = guardian_->slot();
  EXPECT_EQ(guardian_->table().Row(*own).program(), "web");
  Table::NewSlot what;
  what.name = "worker";
  what.door = v1::DOOR_NATIVE;
  what.terms.timeout = std::chrono::hours(1);
  what.page = std::make_shared<procctl_page>();
  const Slot* other = guardian_->table().AddSlot(*own->process, std::move(what), {});
  ASSERT_NE(other, nullptr);
  const v1::Slot row = guardian_->table().Row(*other);
  EXPECT_EQ(row.name(), "worker");
  EXPECT_EQ(row.program(), "web");
}

TEST_F(ProgramTakeover, OutOfDescriptorsNothingIsTakenAsGoneAndNothingStarted) {
  Begin(MakeSpec({"/bin/sleep", "1000"}));
  ASSERT_TRUE(guardian_->UntilRunning());
  const int32_t before = pid();
  const int64_t generation = guardian_->slot()->generation;
  Kill();
  guardian_ = std::make_unique<GuardianParts>(&host_);
  {
    const NoDescriptors tight;
    guardian_->Begin({spec_});
    for (int i = 0; i < 60; ++i) guardian_->Turn();
    EXPECT_TRUE(guardian_->take_up().waiting());
    EXPECT_EQ(guardian_->slot(), nullptr);
    EXPECT_TRUE(guardian_->instance().life().has_process());
    EXPECT_EQ(guardian_->instance().life().incarnation().pid(), before);
    EXPECT_THAT(guardian_->instance().Row().message(), HasSubstr("not taken up yet"));
    EXPECT_THAT(guardian_->Events(v1::EVENT_KIND_SLOT_LOST), SizeIs(2)) << "slot and program";
  }
  ASSERT_TRUE(guardian_->Until([&] { return guardian_->slot() != nullptr; }));
  ASSERT_TRUE(guardian_->Until([&] { return guardian_->instance().Row().message().empty(); }));
  EXPECT_EQ(guardian_->state(), v1::PROGRAM_STATE_RUNNING);
  EXPECT_EQ(pid(), before);
  EXPECT_EQ(guardian_->slot()->generation, generation);
  EXPECT_FALSE(guardian_->take_up().waiting());
  EXPECT_THAT(guardian_->Events(v1::EVENT_KIND_PROGRAM_ENDED), IsEmpty());
  EXPECT_THAT(guardian_->Events(v1::EVENT_KIND_PROGRAM_STARTED), IsEmpty());
  // And its end is seen.
  ASSERT_EQ(kill(before, SIGKILL), 0);
  ASSERT_TRUE(guardian_->Until([&] { return pid() > 0 && pid() != before; }));
}

TEST_F(ProgramTakeover, KilledWhileItWaitsForDescriptorsTheNextOneStillKnowsAll) {
  Begin(MakeSpec({"/bin/sleep", "1000"}));
  ASSERT_TRUE(guardian_->UntilRunning());
  const int32_t before = pid();
  const int64_t generation = guardian_->slot()->generation;
  Kill();
  guardian_ = std::make_unique<GuardianParts>(&host_);
  {
    const NoDescriptors tight;
    guardian_->Begin({spec_});
    guardian_->Turn();
    Kill();
  }
  TakeOver();
  ASSERT_TRUE(guardian_->UntilRunning());
  EXPECT_EQ(pid(), before);
  EXPECT_EQ(guardian_->slot()->generation, generation);
  EXPECT_EQ(guardian_->instance().Row().message(), "");
}

TEST_F(ProgramTakeover, OneThatEndedWhileNobodyCouldTellIsStartedOnceThatIsKnown) {
  Begin(MakeSpec({"/bin/sleep", "1000"}));
  ASSERT_TRUE(guardian_->UntilRunning());
  const int32_t before = pid();
  Kill();
  guardian_ = std::make_unique<GuardianParts>(&host_);
  {
    const NoDescriptors tight;
    guardian_->Begin({spec_});
    ASSERT_EQ(kill(before, SIGKILL), 0);
    ASSERT_EQ(waitpid(before, nullptr, 0), before);
    // The kernel says that nobody has this number: that needs no descriptor.
    EXPECT_TRUE(guardian_->Until([&] { return !guardian_->instance().life().has_process(); }));
  }
  ASSERT_TRUE(guardian_->UntilRunning());
  EXPECT_NE(pid(), before);
  EXPECT_THAT(guardian_->Events(v1::EVENT_KIND_PROGRAM_ENDED), SizeIs(1));
}

TEST_F(ProgramTakeover, OneWhoseSlotIsLostGetsAnotherAndGoesOn) {
  spec_ = MakeSpec({"/bin/sleep", "1000"});
  auto other = MakeSpec({"/bin/sleep", "1000"});
  other->name = "first";
  guardian_ = std::make_unique<GuardianParts>(&host_);
  guardian_->Begin({other, spec_});
  ASSERT_TRUE(guardian_->UntilRunning("first"));
  ASSERT_TRUE(guardian_->UntilRunning());
  const int32_t before = pid();
  const int64_t generation = guardian_->slot()->generation;
  ASSERT_EQ(guardian_->slot()->cell, 1U);
  // The first one is gone, and the next guardian's table has one cell only: not that one.
  const int32_t first = guardian_->instance("first").main_pid();
  Kill();
  ASSERT_EQ(kill(first, SIGKILL), 0);
  ASSERT_EQ(waitpid(first, nullptr, 0), first);
  other->manual = true;
  guardian_ = std::make_unique<GuardianParts>(&host_, 1);
  guardian_->Begin({other, spec_});
  ASSERT_TRUE(guardian_->Until([&] { return guardian_->slot() != nullptr; }));
  EXPECT_EQ(pid(), before);
  EXPECT_EQ(guardian_->state(), v1::PROGRAM_STATE_RUNNING);
  EXPECT_GT(guardian_->slot()->generation, generation);
  EXPECT_EQ(guardian_->slot()->label, "web");
  EXPECT_EQ(guardian_->slot()->process->program, "web");
  // The end is seen, and is its own.
  ASSERT_EQ(kill(before, SIGKILL), 0);
  ASSERT_TRUE(guardian_->Until([&] { return pid() > 0 && pid() != before; }));
  const auto ends = guardian_->Events(v1::EVENT_KIND_PROGRAM_ENDED);
  ASSERT_FALSE(ends.empty());
  EXPECT_EQ(ends.back().incarnation().pid(), before);
  EXPECT_EQ(ends.back().death().signal(), SIGKILL);
}

// ---- what a life leaves behind, without cgroups

// Ends at once and leaves one behind that ignores SIGTERM.
constexpr char kLeaves[] = "trap '' TERM; sleep 1000 & echo $! > $PIDFILE; exit 0";

class LeftBehind : public ProgramTakeover {
 protected:
  std::shared_ptr<ProgramSpec> Leaving(Nanos grace) {
    auto spec = MakeSpec({"/bin/sh", "-c", kLeaves});
    spec->env = {"PIDFILE=" + host_.folder + "/left"};
    spec->grace = grace;
    return spec;
  }
  int32_t Left() {
    const auto text = ReadSmallFile(host_.folder + "/left");
    return text ? std::atoi(text->c_str()) : 0;
  }
  static bool Lives(int32_t process) {
    const auto stat = ReadStat(process);
    return stat && !HasEnded(*stat);
  }
};

TEST_F(LeftBehind, IsOnRecordAndTheNextGuardianWaitsForItAndStopsIt) {
  Begin(Leaving(std::chrono::hours(1)));
  ASSERT_TRUE(guardian_->Until([&] { return guardian_->instance().sweeping(); }));
  const int32_t left = Left();
  ASSERT_TRUE(Lives(left));
  const v1::ProgramRecord record = guardian_->instance().Record();
  ASSERT_EQ(record.left_behind_size(), 1);
  EXPECT_EQ(record.left_behind(0).pid(), left);
  EXPECT_EQ(record.left_behind(0).start_ticks(), ReadStat(left)->start_ticks);
  Kill();
  spec_->grace = std::chrono::seconds(1);
  TakeOver();
  EXPECT_TRUE(guardian_->instance().sweeping());
  EXPECT_EQ(guardian_->state(), v1::PROGRAM_STATE_STOPPING);
  ASSERT_TRUE(guardian_->Until([&] { return !Lives(left); }));
  const auto told = guardian_->Events(v1::EVENT_KIND_PROGRAM_LEFTOVERS);
  ASSERT_FALSE(told.empty());
  EXPECT_THAT(told.front().message(), HasSubstr("sleep (pid " + std::to_string(left) + ")"));
  // Only then it is started once more.
  const auto started = [&] { return guardian_->Events(v1::EVENT_KIND_PROGRAM_STARTED); };
  ASSERT_TRUE(guardian_->Until([&] { return !started().empty(); }));
  EXPECT_GT(started().front().id().seq(), told.front().id().seq());
}

TEST_F(LeftBehind, OneThatEndedMeanwhileHoldsUpNothing) {
  Begin(Leaving(std::chrono::hours(1)));
  ASSERT_TRUE(guardian_->Until([&] { return guardian_->instance().sweeping(); }));
  const int32_t left = Left();
  Kill();
  ASSERT_EQ(kill(left, SIGKILL), 0);
  ASSERT_EQ(waitpid(left, nullptr, 0), left);
  TakeOver();
  EXPECT_FALSE(guardian_->instance().sweeping());
  ASSERT_TRUE(
      guardian_->Until([&] { return !guardian_->Events(v1::EVENT_KIND_PROGRAM_STARTED).empty(); }));
}

TEST_F(LeftBehind, OfALifeThatEndedWhileNobodyLookedIsNamedAndNotStopped) {
  Begin(MakeSpec({"/bin/sh", "-c", "sleep 1000 & echo $! > $PIDFILE; exec sleep 2000"}));
  spec_->env = {"PIDFILE=" + host_.folder + "/left"};
  ASSERT_TRUE(guardian_->UntilRunning());
  ASSERT_TRUE(guardian_->Until([&] { return Left() > 0; }));
  const int32_t main = pid();
  const int32_t left = Left();
  Kill();
  ASSERT_EQ(kill(main, SIGKILL), 0);
  ASSERT_EQ(waitpid(main, nullptr, 0), main);
  TakeOver();
  const auto told = guardian_->Events(v1::EVENT_KIND_PROGRAM_LEFTOVERS);
  ASSERT_THAT(told, SizeIs(1));
  EXPECT_THAT(told.front().message(), HasSubstr("(pid " + std::to_string(left) + ")"));
  ASSERT_TRUE(guardian_->UntilRunning());
  EXPECT_TRUE(Lives(left));
}

}  // namespace
}  // namespace procctl::node
