#include "node/core/schedule.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <set>
#include <string>

namespace procctl::node {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr absl::Duration kTick = absl::Nanoseconds(1);

absl::Time Utc(const std::string& text) {
  absl::Time time;
  std::string error;
  EXPECT_TRUE(absl::ParseTime(absl::RFC3339_full, text + "Z", &time, &error)) << error;
  return time;
}

// The schedule of one program from the 1st of March 2026, 00:00 UTC, on.
class ScheduleTest : public testing::Test {
 protected:
  void Use(std::string_view cron, Overlap overlap = Overlap::kSkip, Nanos catch_up = 0s,
           Nanos jitter = 0s) {
    absl::StatusOr<CronTimes> times = CronTimes::Parse(cron, "");
    ASSERT_TRUE(times.ok());
    rule_ = std::make_unique<ScheduleRule>(ScheduleRule{*times, overlap, catch_up, jitter});
    state_ = {.last_due = Utc("2026-03-01T00:00:00"), .pending = std::nullopt};
    Restart();
  }

  // The guardian was killed: nothing is left but what was kept.
  void Restart() { schedule_ = std::make_unique<Schedule>(*rule_, 7, state_); }

  Schedule::Answer Look(absl::Time now, bool running = false) {
    Schedule::Answer answer = schedule_->Look(now, running);
    const bool differs = state_.last_due != schedule_->state().last_due ||
                         state_.pending != schedule_->state().pending;
    // A due time may come and go in one Look, but never without being kept.
    EXPECT_TRUE(answer.changed || !differs);
    EXPECT_TRUE(answer.changed || (!answer.start && answer.skipped.empty()));
    state_ = schedule_->state();
    return answer;
  }
  Schedule::Answer Look(const std::string& now, bool running = false) {
    return Look(Utc(now), running);
  }

  std::unique_ptr<ScheduleRule> rule_;
  ScheduleState state_;
  std::unique_ptr<Schedule> schedule_;
};

TEST_F(ScheduleTest, StartsAtItsDueTimeOnce) {
  Use("0 3 * * *");
  const absl::Time due = Utc("2026-03-01T03:00:00");
  EXPECT_EQ(schedule_->next(Utc("2026-03-01T01:00:00")), due);
  const Schedule::Answer before = Look(due - kTick);
  EXPECT_EQ(before.start, std::nullopt);
  EXPECT_FALSE(before.changed);
  const Schedule::Answer at = Look(due);
  EXPECT_EQ(at.start, due);
  EXPECT_TRUE(at.changed);
  EXPECT_THAT(at.skipped, IsEmpty());
  EXPECT_EQ(Look(due).start, std::nullopt);
  EXPECT_EQ(Look(due + absl::Hours(23)).start, std::nullopt);
  EXPECT_EQ(schedule_->next(due + absl::Hours(1)), due + absl::Hours(24));
  EXPECT_EQ(Look(due + absl::Hours(24)).start, due + absl::Hours(24));
}

TEST_F(ScheduleTest, AMinuteLateIsOnTimeAndANanosecondMoreIsNot) {
  Use("0 3 * * *");
  const absl::Time due = Utc("2026-03-01T03:00:00");
  EXPECT_EQ(Look(due + absl::Minutes(1)).start, due);
  Use("0 3 * * *");
  const Schedule::Answer late = Look(due + absl::Minutes(1) + kTick);
  EXPECT_EQ(late.start, std::nullopt);
  EXPECT_THAT(late.skipped, ElementsAre("the due time 2026-03-01T03:00:00Z passed while nothing "
                                        "could be started"));
  EXPECT_THAT(Look(due + absl::Minutes(2)).skipped, IsEmpty()) << "said once";
}

TEST_F(ScheduleTest, CatchUpMakesUpForTheLastDueTimeOnly) {
  Use("0 3 * * *", Overlap::kSkip, 6h);
  const absl::Time last = Utc("2026-03-05T03:00:00");
  const Schedule::Answer answer = Look(last + absl::Hours(6));
  EXPECT_EQ(answer.start, last);
  EXPECT_THAT(answer.skipped,
              ElementsAre("4 due times from 2026-03-01T03:00:00Z to 2026-03-04T03:00:00Z passed "
                          "while nothing could be started"));
  Use("0 3 * * *", Overlap::kSkip, 6h);
  const Schedule::Answer late = Look(last + absl::Hours(6) + kTick);
  EXPECT_EQ(late.start, std::nullopt);
  EXPECT_THAT(late.skipped, ElementsAre(HasSubstr("5 due times from 2026-03-01T03:00:00Z to "
                                                  "2026-03-05T03:00:00Z")));
}

TEST_F(ScheduleTest, CatchUpShorterThanOnTimeChangesNothing) {
  Use("0 3 * * *", Overlap::kSkip, 1s);
  EXPECT_NE(Look("2026-03-01T03:01:00").start, std::nullopt);
}

TEST_F(ScheduleTest, ManyMissedDueTimesAreNotCountedForEver) {
  Use("* * * * *");
  const Schedule::Answer answer = Look("2026-09-01T00:00:30");
  EXPECT_EQ(answer.start, Utc("2026-09-01T00:00:00"));
  EXPECT_THAT(answer.skipped, ElementsAre("more than 1000 due times from 2026-03-01T00:01:00Z to "
                                          "2026-08-31T23:59:00Z passed while nothing could be "
                                          "started"));
}

TEST_F(ScheduleTest, ANewScheduleBeginsWithItsFirstLook) {
  Use("* * * * *");
  state_ = {};
  Restart();
  const Schedule::Answer first = Look("2026-03-01T10:00:00");
  EXPECT_TRUE(first.changed);
  EXPECT_EQ(first.start, std::nullopt);
  EXPECT_THAT(first.skipped, IsEmpty());
  EXPECT_EQ(Look("2026-03-01T10:01:00").start, Utc("2026-03-01T10:01:00"));
}

TEST_F(ScheduleTest, SkipLeavesOutWhatIsDueDuringARun) {
  Use("*/10 * * * *");
  const Schedule::Answer answer = Look("2026-03-01T00:10:00", true);
  EXPECT_EQ(answer.start, std::nullopt);
  EXPECT_FALSE(answer.kill_running);
  EXPECT_THAT(answer.skipped, ElementsAre("the due time 2026-03-01T00:10:00Z is left out: the run "
                                          "before still goes on"));
  EXPECT_EQ(Look("2026-03-01T00:10:01").start, std::nullopt) << "it ended a second later";
  EXPECT_EQ(Look("2026-03-01T00:20:00").start, Utc("2026-03-01T00:20:00"));
}

TEST_F(ScheduleTest, QueueStartsOneRightAfterAndLeavesOutTheOthers) {
  Use("*/10 * * * *", Overlap::kQueue);
  EXPECT_THAT(Look("2026-03-01T00:10:00", true).skipped, IsEmpty());
  EXPECT_EQ(schedule_->next(Utc("2026-03-01T00:15:00")), Utc("2026-03-01T00:15:00"));
  EXPECT_THAT(Look("2026-03-01T00:20:00", true).skipped,
              ElementsAre("the due time 2026-03-01T00:20:00Z is left out: the run of "
                          "2026-03-01T00:10:00Z still waits for its start"));
  EXPECT_FALSE(Look("2026-03-01T00:24:59", true).changed);
  EXPECT_EQ(Look("2026-03-01T00:25:00").start, Utc("2026-03-01T00:10:00"));
  EXPECT_EQ(Look("2026-03-01T00:25:01").start, std::nullopt);
  EXPECT_EQ(Look("2026-03-01T00:30:00").start, Utc("2026-03-01T00:30:00"));
}

TEST_F(ScheduleTest, WhatWaitedGoesFirstAndTheNextDueTimeTakesItsPlace) {
  Use("*/10 * * * *", Overlap::kQueue);
  (void)Look("2026-03-01T00:10:00", true);
  (void)Look("2026-03-01T00:19:50", true);
  const Schedule::Answer answer = Look("2026-03-01T00:20:00");
  EXPECT_EQ(answer.start, Utc("2026-03-01T00:10:00"));
  EXPECT_THAT(answer.skipped, IsEmpty());
  EXPECT_EQ(state_.pending, Utc("2026-03-01T00:20:00"));
  EXPECT_EQ(Look("2026-03-01T00:20:01", true).start, std::nullopt);
  EXPECT_EQ(Look("2026-03-01T00:29:00").start, Utc("2026-03-01T00:20:00"));
}

TEST_F(ScheduleTest, WhatAKilledGuardianHadQueuedIsStartedByTheNext) {
  Use("0 3 * * *", Overlap::kQueue);
  EXPECT_EQ(Look("2026-03-01T03:00:00", true).start, std::nullopt);
  Restart();
  EXPECT_EQ(Look("2026-03-01T05:00:00").start, Utc("2026-03-01T03:00:00"));
  Restart();
  EXPECT_EQ(Look("2026-03-01T05:00:01").start, std::nullopt);
}

TEST_F(ScheduleTest, WhatWasHeldUpIsNeverTooLateButWhatNeverHadItsTurnIs) {
  Use("0 3 * * *", Overlap::kQueue);
  (void)Look("2026-03-01T03:00:00", true);
  EXPECT_EQ(Look("2026-03-01T15:00:00").start, Utc("2026-03-01T03:00:00"));
  Use("0 3 * * *", Overlap::kQueue, 0s, 10min);
  const absl::Time start = schedule_->next(Utc("2026-03-01T02:59:59"));
  (void)Look("2026-03-01T03:00:00", true);
  const Schedule::Answer late = Look(start + absl::Minutes(1) + kTick);
  EXPECT_EQ(late.start, std::nullopt);
  EXPECT_THAT(late.skipped, ElementsAre(HasSubstr("2026-03-01T03:00:00Z passed")));
}

TEST_F(ScheduleTest, KillEndsTheRunAndThenStarts) {
  Use("*/10 * * * *", Overlap::kKill);
  EXPECT_FALSE(Look("2026-03-01T00:09:59", true).kill_running);
  const Schedule::Answer due = Look("2026-03-01T00:10:00", true);
  EXPECT_TRUE(due.kill_running);
  EXPECT_EQ(due.start, std::nullopt);
  EXPECT_TRUE(Look("2026-03-01T00:10:04", true).kill_running);
  Restart();
  EXPECT_TRUE(Look("2026-03-01T00:10:05", true).kill_running)
      << "a killed guardian forgets nothing";
  const Schedule::Answer ended = Look("2026-03-01T00:10:06");
  EXPECT_EQ(ended.start, Utc("2026-03-01T00:10:00"));
  EXPECT_FALSE(ended.kill_running);
  EXPECT_FALSE(Look("2026-03-01T00:10:07", true).kill_running) << "not the new one";
}

TEST_F(ScheduleTest, JitterIsTheSameForEachSeedAndDueTimeAndNeverMore) {
  std::set<absl::Duration> jitters;
  absl::Duration sum;
  for (int day = 0; day < 100; ++day) {
    Use("0 3 * * *", Overlap::kSkip, 0s, 10min);
    state_.last_due += absl::Hours(24) * day;
    Restart();
    const absl::Time due = Utc("2026-03-01T03:00:00") + absl::Hours(24) * day;
    const absl::Time start = schedule_->next(due - absl::Hours(1));
    EXPECT_GE(start, due);
    EXPECT_LE(start, due + absl::Minutes(10));
    jitters.insert(start - due);
    sum += start - due;
    EXPECT_EQ(Schedule(*rule_, 7, state_).next(due - absl::Hours(1)), start);
    EXPECT_NE(Schedule(*rule_, 8, state_).next(due - absl::Hours(1)), start);
    (void)Look(due);
    EXPECT_EQ(state_.pending, due);
    EXPECT_EQ(schedule_->next(due), start);
    EXPECT_EQ(Look(start - kTick).start, std::nullopt);
    if (day % 2 == 1) Restart();
    EXPECT_EQ(Look(start).start, due);
  }
  EXPECT_EQ(jitters.size(), 100);
  EXPECT_GT(sum / 100, absl::Minutes(4));
  EXPECT_LT(sum / 100, absl::Minutes(6));
}

TEST_F(ScheduleTest, OverlapIsJudgedWhenTheJitterIsOver) {
  Use("0 3 * * *", Overlap::kSkip, 0s, 10min);
  const absl::Time due = Utc("2026-03-01T03:00:00");
  const absl::Time start = schedule_->next(due - kTick);
  ASSERT_GT(start, due + absl::Seconds(1));
  EXPECT_THAT(Look(due, true).skipped, IsEmpty());
  EXPECT_EQ(Look(start).start, due);
  Use("0 3 * * *", Overlap::kKill, 0s, 10min);
  EXPECT_FALSE(Look(due, true).kill_running);
  EXPECT_FALSE(Look(start - kTick, true).kill_running);
  EXPECT_TRUE(Look(start, true).kill_running);
}

TEST_F(ScheduleTest, WhoComesTooLateForTheEndOfTheJitterStartsNothing) {
  Use("0 3 * * *", Overlap::kSkip, 0s, 10min);
  const absl::Time due = Utc("2026-03-01T03:00:00");
  const absl::Time start = schedule_->next(due - kTick);
  (void)Look(due);
  Restart();
  EXPECT_EQ(Look(start + absl::Minutes(1)).start, due);
  Use("0 3 * * *", Overlap::kSkip, 0s, 10min);
  (void)Look(due);
  Restart();
  const Schedule::Answer late = Look(start + absl::Hours(48));
  EXPECT_EQ(late.start, std::nullopt);
  EXPECT_THAT(late.skipped, ElementsAre(HasSubstr("3 due times from 2026-03-01T03:00:00Z to "
                                                  "2026-03-03T03:00:00Z")));
}

TEST_F(ScheduleTest, AClockSetBackRunsNothingAgain) {
  Use("0 3 * * *");
  const absl::Time due = Utc("2026-03-10T03:00:00");
  (void)Look(due - absl::Hours(2));
  EXPECT_EQ(Look(due).start, due);
  const Schedule::Answer back = Look(due - absl::Hours(25));
  EXPECT_FALSE(back.changed);
  EXPECT_EQ(schedule_->next(due - absl::Hours(25)), due + absl::Hours(24));
  EXPECT_EQ(Look(due - absl::Hours(24)).start, std::nullopt);
  EXPECT_EQ(Look(due).start, std::nullopt);
  EXPECT_EQ(Look(due + absl::Hours(24)).start, due + absl::Hours(24));
}

TEST_F(ScheduleTest, AClockThatHadBeenWrongBeginsAnew) {
  Use("0 3 * * *", Overlap::kQueue);
  const absl::Time due = Utc("2036-03-10T03:00:00");
  (void)Look(due, true);
  ASSERT_EQ(state_.pending, due);
  const absl::Time now = due - absl::Hours(25) - kTick;
  EXPECT_EQ(schedule_->next(now), std::max(now, due)) << "what is pending is shown until the Look";
  const Schedule::Answer answer = Look(now);
  EXPECT_TRUE(answer.changed);
  EXPECT_EQ(answer.start, std::nullopt);
  EXPECT_EQ(state_.pending, std::nullopt);
  EXPECT_EQ(state_.last_due, now);
  EXPECT_THAT(
      answer.skipped,
      ElementsAre(AllOf(HasSubstr("clock was set back to 2036-03-09T01:59:59Z, 1d1h before"),
                        HasSubstr("begins anew"))));
  EXPECT_EQ(Look(due - absl::Hours(24)).start, due - absl::Hours(24));
}

TEST_F(ScheduleTest, AClockThatJumpsForwardIsLikeHavingBeenDown) {
  Use("0 3 * * *");
  (void)Look("2026-03-01T02:00:00");
  const Schedule::Answer answer = Look("2026-03-03T12:00:00");
  EXPECT_EQ(answer.start, std::nullopt);
  EXPECT_THAT(answer.skipped, ElementsAre(HasSubstr("3 due times from")));
  EXPECT_EQ(Look("2026-03-04T03:00:00").start, Utc("2026-03-04T03:00:00"));
}

TEST(RunOf, IsTheDueTimeInUtc) {
  EXPECT_EQ(RunOf(Utc("2026-03-29T01:30:00")), "2026-03-29T01:30:00Z");
}

}  // namespace
}  // namespace procctl::node
