// When a program is started, stopped and started again.
#include "tests/node/core/program_life_fixture.h"

namespace procctl::node {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

TEST_F(ProgramLifeTest, ACrashedProgramIsStartedAgainAfterItsBackoffAndNotBefore) {
  Make();
  Run();
  End(v1::CAUSE_EXIT, 3);
  EXPECT_EQ(life_->state(), v1::PROGRAM_STATE_BACKOFF);
  EXPECT_EQ(Told(v1::EVENT_KIND_PROGRAM_ENDED), 1);
  EXPECT_EQ(last_.death->exit_code(), 3);
  EXPECT_TRUE(last_.death->has_next_start());
  Advance(seconds(1) - Nanos(1));
  EXPECT_EQ(Look(), ProgramLife::Do::kNothing);
  Advance(Nanos(1));
  Run();
  EXPECT_EQ(life_->Row(now_).restarts(), 1);
}

TEST_F(ProgramLifeTest, NothingIsStartedWhileAnythingOfTheLifeBeforeIsLeft) {
  spec_.backoff.first = Nanos(0);
  Make();
  Run();
  ProgramEnd end;
  end.cause = v1::CAUSE_EXIT;
  end.status_known = true;
  life_->Ended(now_, end, "", 0.5);
  Advance(seconds(10));
  EXPECT_EQ(life_->state(), v1::PROGRAM_STATE_STOPPING);
  EXPECT_EQ(Look(), ProgramLife::Do::kNothing);
  life_->TreeGone(now_);
  EXPECT_EQ(Look(), ProgramLife::Do::kStart);
}

TEST_F(ProgramLifeTest, WhatAnOperatorStoppedStaysStoppedAlsoAfterACrashOfTheGuardian) {
  Make();
  Run();
  (void)life_->OrderStop({"r/0", "operator/o", "because"});
  const ProgramLife::Step step = life_->Look(now_, facts_, 0.5);
  EXPECT_EQ(step.what, ProgramLife::Do::kStop);
  EXPECT_EQ(step.cause, v1::CAUSE_OPERATOR);
  EXPECT_EQ(step.by.issuer, "operator/o");
  TakeOver();
  EXPECT_EQ(life_->Look(now_, facts_, 0.5).by.reason, "because");
  End(v1::CAUSE_OPERATOR, 0, 15);
  EXPECT_EQ(life_->state(), v1::PROGRAM_STATE_STOPPED);
  TakeOver();
  Advance(seconds(3600));
  EXPECT_EQ(Look(), ProgramLife::Do::kNothing);
  (void)life_->OrderStart(now_);
  EXPECT_EQ(Look(), ProgramLife::Do::kStart);
}

TEST_F(ProgramLifeTest, AnOrderToRestartStartsAtOnceWhateverItsPolicy) {
  spec_.restart = RestartPolicy::kNever;
  Make();
  Run();
  (void)life_->OrderRestart(now_, v1::CAUSE_OPERATOR, {"r/0", "operator/o", ""});
  EXPECT_EQ(Look(), ProgramLife::Do::kStop);
  EXPECT_EQ(Look(), ProgramLife::Do::kStop) << "until it has ended";
  End(v1::CAUSE_OPERATOR, 0, 15);
  EXPECT_EQ(Look(), ProgramLife::Do::kStart);
}

TEST_F(ProgramLifeTest, OneThatEndsTooOftenIsParkedTriedNowAndThenAndAtOnceByRetry) {
  spec_.backoff.first = Nanos(0);
  spec_.intensity = {.starts = 3, .within = seconds(60), .retry_every = seconds(600)};
  Make();
  for (int i = 0; i < 3; ++i) {
    Run();
    End(v1::CAUSE_EXIT, 1);
  }
  EXPECT_EQ(life_->state(), v1::PROGRAM_STATE_PARKED);
  EXPECT_EQ(Told(v1::EVENT_KIND_PROGRAM_PARKED), 1);
  Advance(seconds(600) - Nanos(1));
  EXPECT_EQ(Look(), ProgramLife::Do::kNothing);
  (void)life_->OrderRetry(now_);
  Run();
}

TEST_F(ProgramLifeTest, ItWaitsForWhatItIsStartedAfter) {
  Make();
  facts_.waits_for = "db";
  EXPECT_EQ(Look(), ProgramLife::Do::kNothing);
  EXPECT_EQ(life_->state(), v1::PROGRAM_STATE_WAITING);
  EXPECT_EQ(life_->Row(now_).message(), "waits for db");
  facts_.waits_for.clear();
  Run();
}

TEST_F(ProgramLifeTest, ItGoesDownWithWhatItNeedsAndComesBackWithIt) {
  Make();
  Run();
  facts_.lost = "db";
  facts_.waits_for = "db";
  EXPECT_EQ(Look(), ProgramLife::Do::kStop);
  End(v1::CAUSE_STOP, 0, 15);
  EXPECT_EQ(Look(), ProgramLife::Do::kNothing);
  EXPECT_EQ(life_->state(), v1::PROGRAM_STATE_WAITING);
  facts_ = {};
  EXPECT_EQ(Look(), ProgramLife::Do::kStart);
}

TEST_F(ProgramLifeTest, EveryCountsFromTheEndOfTheRun) {
  spec_.every = seconds(10);
  spec_.restart = RestartPolicy::kNever;
  Make();
  Run();
  Advance(seconds(25));
  End(v1::CAUSE_EXIT, 1);
  EXPECT_EQ(life_->state(), v1::PROGRAM_STATE_SCHEDULED);
  Advance(seconds(10) - Nanos(1));
  EXPECT_EQ(Look(), ProgramLife::Do::kNothing);
  Advance(Nanos(1));
  EXPECT_EQ(Look(), ProgramLife::Do::kStart);
}

TEST_F(ProgramLifeTest, ADueRunThatNeverPassedItsGateIsBegunAgainUnderTheSameName) {
  ScheduleRule rule{.cron = *CronTimes::Parse("*/5 * * * *", "UTC")};
  spec_.schedule = rule;
  spec_.restart = RestartPolicy::kNever;
  Make();
  EXPECT_EQ(Look(), ProgramLife::Do::kNothing);
  EXPECT_EQ(life_->state(), v1::PROGRAM_STATE_SCHEDULED);
  Advance(seconds(300));
  Started();
  const std::string run = life_->run();
  (void)life_->TakeNotices();
  TakeOver();
  ASSERT_TRUE(life_->has_process());
  life_->NeverPassed(now_);
  EXPECT_EQ(Told(v1::EVENT_KIND_PROGRAM_ENDED), 1) << "the start that was told has its end";
  Started();
  EXPECT_EQ(life_->run(), run);
  life_->Passed();
  life_->Ready(now_);
  TakeOver();
  End(v1::CAUSE_EXIT, 0);
  EXPECT_EQ(life_->state(), v1::PROGRAM_STATE_SCHEDULED);
  EXPECT_EQ(Look(), ProgramLife::Do::kNothing) << "one run for each due time";
}

TEST_F(ProgramLifeTest, WhatWasDueWhileTheHostWasDownIsMadeUpForWhereThatIsWanted) {
  spec_.schedule =
      ScheduleRule{.cron = *CronTimes::Parse("@hourly", "UTC"), .catch_up = std::chrono::hours(2)};
  spec_.restart = RestartPolicy::kNever;
  life_ = std::make_unique<ProgramLife>(std::make_shared<const ProgramSpec>(spec_), 1, 7, now_,
                                        now_.wall - absl::Minutes(61));
  EXPECT_EQ(Look(), ProgramLife::Do::kStart);
}

TEST_F(ProgramLifeTest, ARunOverItsLimitAndAnOldOneAreStopped) {
  spec_.run_limit = seconds(5);
  Make();
  Run();
  Advance(seconds(5));
  EXPECT_EQ(Look(), ProgramLife::Do::kNothing);
  Advance(Nanos(1));
  const ProgramLife::Step step = life_->Look(now_, facts_, 0.5);
  EXPECT_EQ(step.what, ProgramLife::Do::kStop);
  EXPECT_EQ(step.cause, v1::CAUSE_SCHEDULE);
}

TEST_F(ProgramLifeTest, AnOldOneIsRestartedAtOnce) {
  spec_.max_age = seconds(100);
  spec_.max_age_variance = 0;
  spec_.restart = RestartPolicy::kOnFailure;
  Make();
  Run();
  EXPECT_EQ(Look(), ProgramLife::Do::kNothing);
  Advance(seconds(100) + Nanos(1));
  EXPECT_EQ(Look(), ProgramLife::Do::kStop);
  End(v1::CAUSE_SCHEDULE, 0, 15);
  EXPECT_EQ(Look(), ProgramLife::Do::kStart);
}

TEST_F(ProgramLifeTest, OneThatHoldsTooMuchMemoryIsStoppedForThat) {
  spec_.limits.restart_above_memory = int64_t{1} << 30;
  Make();
  Run();
  facts_.resident = int64_t{1} << 30;
  EXPECT_EQ(Look(), ProgramLife::Do::kNothing);
  ++facts_.resident;
  EXPECT_EQ(life_->Look(now_, facts_, 0.5).cause, v1::CAUSE_LIMIT);
}

TEST_F(ProgramLifeTest, WhatIsTakenOutOfTheConfigurationIsStoppedAndNotStartedAgain) {
  Make();
  Run();
  life_->Remove();
  EXPECT_EQ(life_->Look(now_, facts_, 0.5).cause, v1::CAUSE_CONFIG);
  End(v1::CAUSE_CONFIG, 0, 15);
  EXPECT_EQ(Look(), ProgramLife::Do::kNothing);
  EXPECT_EQ(life_->state(), v1::PROGRAM_STATE_STOPPED);
}

TEST_F(ProgramLifeTest, AChangeThatNeedsItRestartsAndALiveOneDoesNot) {
  Make();
  Run();
  life_->SetSpec(std::make_shared<const ProgramSpec>(spec_), false, now_);
  EXPECT_EQ(Look(), ProgramLife::Do::kNothing);
  life_->SetSpec(std::make_shared<const ProgramSpec>(spec_), true, now_);
  EXPECT_EQ(life_->Look(now_, facts_, 0.5).cause, v1::CAUSE_CONFIG);
  End(v1::CAUSE_CONFIG, 0, 15);
  EXPECT_EQ(Look(), ProgramLife::Do::kStart);
}

TEST_F(ProgramLifeTest, AStartThatFailsIsOnRecordAndTriedAgain) {
  Make();
  ASSERT_EQ(Look(), ProgramLife::Do::kStart);
  life_->CouldNotStart(now_, "chdir /nowhere: No such file or directory", 0.5);
  EXPECT_EQ(life_->state(), v1::PROGRAM_STATE_BACKOFF);
  EXPECT_EQ(Told(v1::EVENT_KIND_PROGRAM_START_FAILED), 1);
  EXPECT_NE(last_.message.find("/nowhere"), std::string::npos) << last_.message;
  Advance(seconds(1));
  EXPECT_EQ(Look(), ProgramLife::Do::kStart);
}

TEST_F(ProgramLifeTest, ItSaysWhenItIsToBeLookedAtNext) {
  spec_.backoff.first = milliseconds(300);
  spec_.run_limit = milliseconds(700);
  Make();
  Run();
  EXPECT_EQ(life_->NextLook(now_), now_.mono + milliseconds(700) + Nanos(1));
  Advance(milliseconds(100));
  End(v1::CAUSE_EXIT, 1);
  EXPECT_EQ(life_->NextLook(now_), now_.mono + milliseconds(300));
  spec_.run_limit = Nanos(0);
  Make();
  Run();
  EXPECT_EQ(life_->NextLook(now_), MonoTime::max()) << "only a report changes anything";
  spec_.limits.restart_above_memory = 1 << 20;
  Make();
  Run();
  EXPECT_EQ(life_->NextLook(now_), now_.mono + seconds(1)) << "nobody reports what it holds";
  spec_.limits.restart_above_memory.reset();
  spec_.schedule = ScheduleRule{.cron = *CronTimes::Parse("@daily", "UTC")};
  Make();
  EXPECT_EQ(life_->NextLook(now_), now_.mono + seconds(1)) << "the wall clock may be set";
}

TEST_F(ProgramLifeTest, AGuardianThatEndsWithItsProgramsStartsNoneOfThemAgain) {
  Make();
  Run();
  life_->HoldBack();
  End(v1::CAUSE_STOP, 0, 15);
  EXPECT_EQ(life_->state(), v1::PROGRAM_STATE_STOPPED);
  TakeOver();
  EXPECT_EQ(Look(), ProgramLife::Do::kStart) << "the next guardian starts what is to run";
}

}  // namespace
}  // namespace procctl::node
