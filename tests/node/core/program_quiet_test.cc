// A program that is left in peace: what waits for the end of its quiet time, what does not, and
// what its row says meanwhile.
#include <chrono>
#include <string>

#include "tests/node/core/program_life_fixture.h"

namespace procctl::node {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

class ProgramQuietTest : public ProgramLifeTest {
 protected:
  // It is 21:59, quiet from 22:00 for eight hours.
  ProgramQuietTest() {
    now_.wall = Utc("2026-11-26T21:59:00");
    spec_.quiet = QuietTimes({{*CronTimes::Parse("0 22 * * *", ""), hours(8)}});
  }
  static absl::Time Utc(const std::string& text) {
    absl::Time time;
    std::string error;
    EXPECT_TRUE(absl::ParseTime(absl::RFC3339_full, text + "Z", &time, &error)) << error;
    return time;
  }
  void AdvanceTo(const std::string& wall) {
    Advance(absl::ToChronoNanoseconds(Utc(wall) - now_.wall));
  }
  std::string NextStart() {
    const v1::Program row = life_->Row(now_);
    if (!row.has_next_start()) return "";
    return RunOf(absl::FromUnixSeconds(row.next_start().seconds()));
  }
  std::string Message() { return life_->Row(now_).message(); }
};

TEST_F(ProgramQuietTest, ARunOfEveryWaitsForTheEnd) {
  spec_.every = minutes(30);
  spec_.restart = RestartPolicy::kNever;
  Make();
  Run();
  End(v1::CAUSE_EXIT);
  EXPECT_EQ(Told(v1::EVENT_KIND_PROGRAM_ENDED), 1);
  EXPECT_NE(last_.message.find("started again at 2026-11-27T06:00:00Z, when its quiet time ends"),
            std::string::npos)
      << last_.message;
  EXPECT_EQ(last_.death->next_start().seconds(), absl::ToUnixSeconds(Utc("2026-11-27T06:00:00")));
  EXPECT_EQ(NextStart(), "2026-11-27T06:00:00Z");
  AdvanceTo("2026-11-26T23:00:00");
  EXPECT_EQ(Look(), ProgramLife::Do::kNothing);
  EXPECT_NE(Message().find("quiet until 2026-11-27T06:00:00Z"), std::string::npos) << Message();
  EXPECT_EQ(NextStart(), "2026-11-27T06:00:00Z");
  TakeOver();
  EXPECT_EQ(Look(), ProgramLife::Do::kNothing);
  EXPECT_EQ(NextStart(), "2026-11-27T06:00:00Z");
  // Nobody looks more often for it than once a second.
  EXPECT_EQ(life_->NextLook(now_), now_.mono + seconds(1));
  AdvanceTo("2026-11-27T06:00:00");
  Run();
  EXPECT_EQ(Message(), "");
}

TEST_F(ProgramQuietTest, TheFirstRunOfEveryWaitsToo) {
  spec_.every = minutes(30);
  spec_.restart = RestartPolicy::kNever;
  AdvanceTo("2026-11-26T22:00:00");
  Make();
  EXPECT_EQ(Look(), ProgramLife::Do::kNothing);
  EXPECT_EQ(life_->state(), v1::PROGRAM_STATE_SCHEDULED);
  EXPECT_EQ(NextStart(), "2026-11-27T06:00:00Z");
  AdvanceTo("2026-11-27T06:00:00");
  EXPECT_EQ(Look(), ProgramLife::Do::kStart);
}

TEST_F(ProgramQuietTest, ADueTimeIsSkippedOnRecord) {
  spec_.restart = RestartPolicy::kNever;
  spec_.schedule = ScheduleRule{*CronTimes::Parse("*/30 * * * *", ""), Overlap::kSkip, Nanos(0),
                                Nanos(0), spec_.quiet};
  Make();
  AdvanceTo("2026-11-26T22:00:00");
  EXPECT_EQ(Look(), ProgramLife::Do::kNothing);
  EXPECT_EQ(Told(v1::EVENT_KIND_RUN_SKIPPED), 1);
  EXPECT_EQ(last_.severity, v1::SEVERITY_INFO);
  EXPECT_NE(last_.message.find("quiet until"), std::string::npos) << last_.message;
  EXPECT_EQ(NextStart(), "2026-11-27T06:00:00Z");
  EXPECT_EQ(Message(), "quiet until 2026-11-27T06:00:00Z");
  TakeOver();
  AdvanceTo("2026-11-26T22:30:00");
  EXPECT_EQ(Look(), ProgramLife::Do::kNothing);
  EXPECT_EQ(Told(v1::EVENT_KIND_RUN_SKIPPED), 0);
  AdvanceTo("2026-11-27T06:00:00");
  Run();
  EXPECT_EQ(life_->run(), "web/2026-11-27T06:00:00Z");
  EXPECT_EQ(Message(), "");
}

TEST_F(ProgramQuietTest, ARunThatGoesOnIsNotEndedForADueTimeWithin) {
  spec_.restart = RestartPolicy::kNever;
  spec_.schedule = ScheduleRule{*CronTimes::Parse("30 22 * * *", ""), Overlap::kKill, Nanos(0),
                                Nanos(0), spec_.quiet};
  Make();
  (void)life_->OrderStart(now_);
  Run();
  AdvanceTo("2026-11-26T22:30:00");
  EXPECT_EQ(Look(), ProgramLife::Do::kNothing);
}

TEST_F(ProgramQuietTest, MaxAgeWaitsForTheEndAndSaysSo) {
  spec_.max_age = hours(1);
  spec_.max_age_variance = 0;
  Make();
  Run();
  EXPECT_EQ(Look(), ProgramLife::Do::kNothing);
  AdvanceTo("2026-11-26T23:30:00");
  (void)life_->TakeChanged();
  EXPECT_EQ(Look(), ProgramLife::Do::kNothing);
  EXPECT_TRUE(life_->TakeChanged());
  EXPECT_NE(Message().find("restarted when its quiet time ends, at 2026-11-27T06:00:00Z"),
            std::string::npos)
      << Message();
  EXPECT_EQ(life_->NextLook(now_), now_.mono + seconds(1));
  TakeOver();
  EXPECT_EQ(Look(), ProgramLife::Do::kNothing);
  AdvanceTo("2026-11-27T06:00:00");
  const ProgramLife::Step step = life_->Look(now_, facts_, 0.5);
  EXPECT_EQ(step.what, ProgramLife::Do::kStop);
  EXPECT_EQ(step.cause, v1::CAUSE_SCHEDULE);
}

TEST_F(ProgramQuietTest, ThoseThatAreTooOldByThenAreNotAllRestartedAtOnce) {
  spec_.max_age = hours(1);
  spec_.max_age_variance = 10;
  Make();
  Run();
  EXPECT_EQ(Look(), ProgramLife::Do::kNothing);
  AdvanceTo("2026-11-26T23:30:00");
  EXPECT_EQ(Look(), ProgramLife::Do::kNothing);
  AdvanceTo("2026-11-27T06:00:00");
  // Within the six minutes that the variance is; this one has half of them.
  EXPECT_EQ(Look(), ProgramLife::Do::kNothing);
  EXPECT_EQ(Message(), "");
  Advance(minutes(3) - Nanos(1));
  EXPECT_EQ(Look(), ProgramLife::Do::kNothing);
  Advance(Nanos(1));
  EXPECT_EQ(Look(), ProgramLife::Do::kStop);
}

TEST_F(ProgramQuietTest, EndsOrdersAndLimitsAreDealtWithAsEver) {
  spec_.every = hours(1);
  spec_.restart = RestartPolicy::kOnFailure;
  spec_.run_limit = minutes(5);
  spec_.limits.restart_above_memory = 100;
  Make();
  Run();
  AdvanceTo("2026-11-26T22:01:00");
  End(v1::CAUSE_EXIT, 1);
  EXPECT_EQ(life_->state(), v1::PROGRAM_STATE_BACKOFF);
  Advance(seconds(1));
  Run();
  Advance(seconds(61));
  End(v1::CAUSE_HEARTBEAT, 0, 9);
  Advance(seconds(1));
  Run();
  facts_.resident = 101;
  EXPECT_EQ(life_->Look(now_, facts_, 0.5).cause, v1::CAUSE_LIMIT);
  facts_.resident = 0;
  (void)life_->OrderRestart(now_, v1::CAUSE_OPERATOR, {"r/0", "operator/o", ""});
  EXPECT_EQ(life_->Look(now_, facts_, 0.5).cause, v1::CAUSE_OPERATOR);
  End(v1::CAUSE_OPERATOR, 0, 15);
  Run();
  Advance(minutes(6));
  EXPECT_EQ(life_->Look(now_, facts_, 0.5).cause, v1::CAUSE_SCHEDULE) << "its run limit";
  End(v1::CAUSE_SCHEDULE, 0, 15);
  EXPECT_EQ(life_->state(), v1::PROGRAM_STATE_SCHEDULED);
  EXPECT_EQ(Look(), ProgramLife::Do::kNothing);
  (void)life_->OrderStart(now_);
  EXPECT_EQ(Look(), ProgramLife::Do::kStart);
}

TEST_F(ProgramQuietTest, AReloadThatEndsTheQuietTimeHoldsAtOnce) {
  spec_.every = minutes(1);
  spec_.restart = RestartPolicy::kNever;
  AdvanceTo("2026-11-26T22:30:00");
  Make();
  EXPECT_EQ(Look(), ProgramLife::Do::kNothing);
  spec_.quiet = QuietTimes();
  life_->SetSpec(std::make_shared<const ProgramSpec>(spec_), false, now_);
  EXPECT_EQ(Look(), ProgramLife::Do::kStart);
}

TEST_F(ProgramQuietTest, AClockThatIsSetMovesTheEndOnly) {
  spec_.every = hours(1);
  spec_.restart = RestartPolicy::kNever;
  AdvanceTo("2026-11-26T21:30:00");
  Make();
  Run();
  End(v1::CAUSE_EXIT);
  EXPECT_EQ(NextStart(), "2026-11-27T06:00:00Z");
  // Said to be morning already: an hour after its end it runs.
  now_.wall += absl::Hours(12);
  Advance(hours(1) - Nanos(1));
  EXPECT_EQ(Look(), ProgramLife::Do::kNothing);
  Advance(Nanos(1));
  EXPECT_EQ(Look(), ProgramLife::Do::kStart);
  Run();
  // Set back into the night: the next run waits for its end.
  now_.wall = Utc("2026-11-27T05:00:00");
  End(v1::CAUSE_EXIT);
  Advance(hours(1) - Nanos(1));
  EXPECT_EQ(Look(), ProgramLife::Do::kNothing);
  Advance(Nanos(1));
  EXPECT_EQ(Look(), ProgramLife::Do::kStart);
}

}  // namespace
}  // namespace procctl::node
