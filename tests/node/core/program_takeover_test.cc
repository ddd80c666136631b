// A program's life as the guardian after a killed one finds it.
#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>

#include "node/core/program_life.h"

namespace procctl::node {
namespace {

using std::chrono_literals::operator""s;
using Do = ProgramLife::Do;

class ProgramTakeover : public testing::Test {
 protected:
  ProgramTakeover() {
    spec_ = std::make_shared<ProgramSpec>();
    spec_->name = "job";
    spec_->argv = {"/bin/job"};
    spec_->restart = RestartPolicy::kNever;
    spec_->schedule = ScheduleRule{.cron = *CronTimes::Parse("* * * * *", "")};
    life_ = std::make_unique<ProgramLife>(spec_, 1, 7, now_);
  }

  void Advance(Nanos by) {
    now_.mono += by;
    now_.wall += absl::FromChrono(by);
  }
  Do Look() { return life_->Look(now_, {}, 0.5).what; }
  void StartDue() {
    ASSERT_EQ(Look(), Do::kNothing);
    Advance(60s);
    ASSERT_EQ(Look(), Do::kStart);
    v1::Incarnation incarnation;
    incarnation.set_pid(4242);
    incarnation.set_generation(1);
    life_->Started(now_, incarnation);
  }
  // Another guardian, with the same configuration.
  void TakeOver() {
    const v1::ProgramRecord record = life_->Record();
    life_ = std::make_unique<ProgramLife>(spec_, record, 7, now_);
  }
  void Reload() { life_->SetSpec(std::make_shared<ProgramSpec>(*spec_), false, now_); }

  ProgramTime now_{MonoTime(1000s), absl::FromUnixSeconds(1'800'000'030)};
  std::shared_ptr<ProgramSpec> spec_;
  std::unique_ptr<ProgramLife> life_;
};

TEST_F(ProgramTakeover, AReloadDoesNotStartAScheduledOneBesideWhatItLeftBehind) {
  StartDue();
  life_->Passed();
  life_->Ended(now_, {.cause = v1::CAUSE_EXIT, .status_known = true}, "", 0.5);
  Reload();
  Advance(60s);
  EXPECT_EQ(Look(), Do::kNothing) << "its tree lives";
  life_->TreeGone(now_);
  EXPECT_EQ(Look(), Do::kStart);
}

TEST_F(ProgramTakeover, ATakenUpOneIsNotStartedBesideWhatItLeftBehind) {
  StartDue();
  life_->Passed();
  life_->Ended(now_, {.cause = v1::CAUSE_EXIT, .status_known = true}, "", 0.5);
  TakeOver();
  life_->Sweep();
  Reload();
  Advance(60s);
  EXPECT_EQ(Look(), Do::kNothing) << "its tree lives";
  life_->TreeGone(now_);
  EXPECT_EQ(Look(), Do::kStart);
}

TEST_F(ProgramTakeover, ARunThatNeverPassedIsBegunAgainUnderItsName) {
  StartDue();
  const std::string run = life_->run();
  TakeOver();
  Reload();
  life_->NeverPassed(now_);
  ASSERT_EQ(Look(), Do::kStart);
  EXPECT_EQ(life_->NextRun(), run);
}

TEST_F(ProgramTakeover, ARunThatTookPlaceIsNotBegunAgain) {
  StartDue();
  life_->Passed();
  TakeOver();
  Reload();
  life_->Ended(now_, {.cause = v1::CAUSE_UNKNOWN}, "", 0.5);
  life_->TreeGone(now_);
  EXPECT_EQ(Look(), Do::kNothing);
}

TEST_F(ProgramTakeover, OneThatWasStoppedByOrderBeforeItPassedStaysStopped) {
  StartDue();
  TakeOver();
  (void)life_->OrderStop({"id", "somebody", "a test"});
  life_->NeverPassed(now_);
  EXPECT_EQ(Look(), Do::kNothing);
  EXPECT_EQ(life_->state(), v1::PROGRAM_STATE_STOPPED);
  Advance(60s);
  EXPECT_EQ(Look(), Do::kNothing);
}

}  // namespace
}  // namespace procctl::node
