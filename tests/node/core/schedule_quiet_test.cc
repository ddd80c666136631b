// A schedule in quiet times: what is left out, what is made up for, and that each due time still
// has one run at most.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <tuple>
#include <vector>

#include "node/core/schedule.h"

namespace procctl::node {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

absl::Time Utc(const std::string& text) {
  absl::Time time;
  std::string error;
  EXPECT_TRUE(absl::ParseTime(absl::RFC3339_full, text + "Z", &time, &error)) << error;
  return time;
}

class ScheduleQuietTest : public testing::Test {
 protected:
  void Use(std::string_view cron, std::string_view from, Nanos last, Nanos catch_up = 0s,
           Overlap overlap = Overlap::kSkip, Nanos jitter = 0s, const std::string& zone = "") {
    rule_ = std::make_unique<ScheduleRule>(
        ScheduleRule{*CronTimes::Parse(cron, zone), overlap, catch_up, jitter,
                     QuietTimes({{*CronTimes::Parse(from, zone), last}})});
    Begin("2026-03-01T00:30:00");
  }
  void Begin(const std::string& at) {
    state_ = {.last_due = Utc(at), .pending = std::nullopt};
    Restart();
  }
  // The guardian was killed: nothing is left but what was kept.
  void Restart() { schedule_ = std::make_unique<Schedule>(*rule_, 7, state_); }

  Schedule::Answer Look(absl::Time now, bool running = false) {
    Schedule::Answer answer = schedule_->Look(now, running);
    const bool differs = state_.last_due != schedule_->state().last_due ||
                         state_.pending != schedule_->state().pending;
    EXPECT_TRUE(answer.changed || !differs);
    state_ = schedule_->state();
    return answer;
  }
  Schedule::Answer Look(const std::string& now, bool running = false) {
    return Look(Utc(now), running);
  }
  absl::Time Next(const std::string& now) { return schedule_->next(Utc(now)); }

  std::unique_ptr<ScheduleRule> rule_;
  ScheduleState state_;
  std::unique_ptr<Schedule> schedule_;
};

TEST_F(ScheduleQuietTest, ADueTimeWithinIsLeftOutAndSaysUntilWhen) {
  Use("0 3,7 * * *", "0 2 * * *", 4h);
  EXPECT_EQ(Next("2026-03-01T01:00:00"), Utc("2026-03-01T07:00:00"));
  const Schedule::Answer at = Look("2026-03-01T03:00:00");
  EXPECT_EQ(at.start, std::nullopt);
  EXPECT_TRUE(at.changed);
  EXPECT_THAT(at.skipped, IsEmpty());
  EXPECT_EQ(at.quiet,
            "the due time 2026-03-01T03:00:00Z is left out, like any other before "
            "2026-03-01T06:00:00Z: it is quiet until then");
  EXPECT_EQ(Look("2026-03-01T06:00:00").start, std::nullopt);
  EXPECT_EQ(Look("2026-03-01T07:00:00").start, Utc("2026-03-01T07:00:00"));
}

TEST_F(ScheduleQuietTest, TheFirstInstantIsQuietAndTheEndIsNot) {
  Use("0 * * * *", "0 2 * * *", 2h);
  EXPECT_EQ(Look("2026-03-01T01:00:00").start, Utc("2026-03-01T01:00:00"));
  EXPECT_EQ(Next("2026-03-01T01:00:00"), Utc("2026-03-01T04:00:00"));
  EXPECT_NE(Look("2026-03-01T02:00:00").quiet, std::nullopt);
  EXPECT_EQ(Look("2026-03-01T03:00:00").start, std::nullopt);
  EXPECT_EQ(Look("2026-03-01T04:00:00").start, Utc("2026-03-01T04:00:00"));
}

TEST_F(ScheduleQuietTest, OneQuietTimeIsToldOfOnceAlsoAcrossACrash) {
  Use("*/10 * * * *", "0 2 * * *", 2h);
  Begin("2026-03-01T01:00:00");
  int told = 0;
  int runs = 0;
  for (absl::Time at = Utc("2026-03-01T01:05:00"); at < Utc("2026-03-03T01:05:00");
       at += absl::Minutes(5)) {
    const Schedule::Answer answer = Look(at);
    told += answer.quiet ? 1 : 0;
    runs += answer.start ? 1 : 0;
    EXPECT_THAT(answer.skipped, IsEmpty());
    Restart();
  }
  EXPECT_EQ(told, 2);
  EXPECT_EQ(runs, 2 * 22 * 6);
}

TEST_F(ScheduleQuietTest, OneThatBeginsWithinIsToldToo) {
  Use("*/10 * * * *", "0 2 * * *", 2h);
  Begin("2026-03-01T02:35:00");
  EXPECT_NE(Look("2026-03-01T02:40:00").quiet, std::nullopt);
  EXPECT_EQ(Look("2026-03-01T02:50:00").quiet, std::nullopt);
}

TEST_F(ScheduleQuietTest, WithCatchUpTheLastOneRunsWhenItEnds) {
  Use("0 * * * *", "30 1 * * *", 4h, 2h);
  EXPECT_EQ(Next("2026-03-01T01:10:00"), Utc("2026-03-01T05:30:00"));
  EXPECT_THAT(*Look("2026-03-01T02:00:00").quiet,
              AllOf(HasSubstr("quiet until"), HasSubstr("made up for if it is at most 2h old")));
  for (const char* at : {"2026-03-01T03:00:00", "2026-03-01T04:00:00", "2026-03-01T05:00:00",
                         "2026-03-01T05:29:59"}) {
    const Schedule::Answer answer = Look(at);
    EXPECT_EQ(answer.start, std::nullopt) << at;
    EXPECT_EQ(answer.quiet, std::nullopt) << at;
    EXPECT_THAT(answer.skipped, IsEmpty()) << at;
    EXPECT_EQ(Next(at), Utc("2026-03-01T05:30:00")) << at;
    Restart();
  }
  EXPECT_EQ(Look("2026-03-01T05:30:00").start, Utc("2026-03-01T05:00:00"));
  EXPECT_EQ(Look("2026-03-01T05:30:01").start, std::nullopt);
}

TEST_F(ScheduleQuietTest, WhatIsOlderThanCatchUpByThenIsNotMadeUpFor) {
  // Exactly so old still is.
  Use("0 3 * * *", "0 2 * * *", 4h, 3h);
  EXPECT_EQ(Next("2026-03-01T01:00:00"), Utc("2026-03-01T06:00:00"));
  (void)Look("2026-03-01T03:00:00");
  EXPECT_EQ(Look("2026-03-01T06:00:00").start, Utc("2026-03-01T03:00:00"));
  Use("0 3 * * *", "0 2 * * *", 4h, 3h - 1ns);
  EXPECT_EQ(Next("2026-03-01T01:00:00"), absl::InfiniteFuture());
  EXPECT_NE(Look("2026-03-01T03:00:00").quiet, std::nullopt);
  EXPECT_EQ(Look("2026-03-01T06:00:00").start, std::nullopt);
}

TEST_F(ScheduleQuietTest, AGuardianThatWasDownUntilLaterMakesUpForItByCatchUpAlone) {
  Use("0 3 * * *", "0 2 * * *", 4h, 5h);
  EXPECT_EQ(Look("2026-03-01T08:00:00").start, Utc("2026-03-01T03:00:00"));
  Use("0 3 * * *", "0 2 * * *", 4h, 5h);
  const Schedule::Answer late = Look("2026-03-01T08:00:01");
  EXPECT_EQ(late.start, std::nullopt);
  EXPECT_THAT(late.skipped, testing::ElementsAre(HasSubstr("passed while nothing")));
  Use("0 3 * * *", "0 2 * * *", 4h);
  EXPECT_THAT(*Look("2026-03-01T06:00:30").quiet, HasSubstr("was quiet until then"));
}

TEST_F(ScheduleQuietTest, ARunThatJitterPutsIntoItIsLeftOut) {
  // Its jitter of up to an hour, begun a minute before.
  Use("59 1 * * *", "0 2 * * *", 4h, 0s, Overlap::kSkip, 1h);
  const absl::Time due = Utc("2026-03-01T01:59:00");
  rule_->quiet = QuietTimes();
  Restart();
  const absl::Time start = schedule_->next(due - absl::Minutes(1));
  ASSERT_GT(start, Utc("2026-03-01T02:00:00")) << "this seed makes no point";
  Use("59 1 * * *", "0 2 * * *", 4h, 0s, Overlap::kSkip, 1h);
  EXPECT_THAT(*Look(due).quiet, HasSubstr("2026-03-01T06:00:00Z"));
  EXPECT_EQ(Look(start).start, std::nullopt);
  Use("59 1 * * *", "0 2 * * *", 4h, 5h, Overlap::kSkip, 1h);
  (void)Look(due);
  EXPECT_EQ(Look(start).start, std::nullopt);
  EXPECT_EQ(Look("2026-03-01T06:00:00").start, due);
}

TEST_F(ScheduleQuietTest, WhatARunHeldUpWaitsForTheEnd) {
  for (const Overlap overlap : {Overlap::kQueue, Overlap::kKill}) {
    Use("0 1,3 * * *", "0 2 * * *", 4h, 0s, overlap);
    EXPECT_EQ(Look("2026-03-01T01:00:00", true).kill_running, overlap == Overlap::kKill);
    EXPECT_FALSE(Look("2026-03-01T02:00:00", true).kill_running) << "it is quiet";
    EXPECT_EQ(Look("2026-03-01T02:30:00").start, std::nullopt);
    EXPECT_EQ(Next("2026-03-01T02:30:00"), Utc("2026-03-01T06:00:00"));
    Restart();
    EXPECT_EQ(Look("2026-03-01T02:31:00").start, std::nullopt);
    EXPECT_EQ(Look("2026-03-01T06:00:00").start, Utc("2026-03-01T01:00:00"));
    EXPECT_EQ(Look("2026-03-01T06:00:01").start, std::nullopt);
  }
}

TEST_F(ScheduleQuietTest, AClockSetBackRunsNothingTwice) {
  Use("0 * * * *", "30 1 * * *", 2h, 1h);
  (void)Look("2026-03-01T02:00:00");
  (void)Look("2026-03-01T03:00:00");
  EXPECT_EQ(Look("2026-03-01T03:30:00").start, Utc("2026-03-01T03:00:00"));
  EXPECT_EQ(Look("2026-03-01T04:00:00").start, Utc("2026-03-01T04:00:00"));
  for (absl::Time at = Utc("2026-03-01T01:00:00"); at < Utc("2026-03-01T05:00:00");
       at += absl::Minutes(1)) {
    EXPECT_EQ(Look(at).start, std::nullopt) << at;
  }
  EXPECT_EQ(Look("2026-03-01T05:00:00").start, Utc("2026-03-01T05:00:00"));
}

TEST_F(ScheduleQuietTest, OnTheDayThatClocksSkipAnHourItGoesByTheWindowInRealTime) {
  // 02:30 is skipped and due at 03:00 local time, 01:00 UTC; the window of an hour from 02:00 on
  // begins at that very moment.
  Use("30 2 * * *", "0 2 * * *", 1h, 0s, Overlap::kSkip, 0s, "Europe/Berlin");
  Begin("2026-03-28T12:00:00");
  EXPECT_THAT(*Look("2026-03-29T01:00:00").quiet, HasSubstr("2026-03-29T02:00:00Z"));
  // In October it comes twice and is due the first time, within the window that begins the first
  // time too.
  Begin("2026-10-24T12:00:00");
  EXPECT_THAT(*Look("2026-10-25T00:30:00").quiet, HasSubstr("2026-10-25T01:00:00Z"));
  EXPECT_EQ(Look("2026-10-25T01:30:00").start, std::nullopt);
}

TEST_F(ScheduleQuietTest, WhatWasTakenBeforeTheConfigurationChangedIsLeftOutToo) {
  Use("0 3 * * *", "0 2 * * *", 4h);
  state_ = {.last_due = Utc("2026-03-01T03:00:00"), .pending = Utc("2026-03-01T03:00:00")};
  Restart();
  const Schedule::Answer answer = Look("2026-03-01T03:00:10");
  EXPECT_EQ(answer.start, std::nullopt);
  EXPECT_NE(answer.quiet, std::nullopt);
  EXPECT_EQ(Look("2026-03-01T06:00:00").start, std::nullopt);
}

// Three months around a change of clocks of a program that is due each hour and quiet at night, in
// the hands of guardians that crash at any moment.
class Months : public testing::TestWithParam<std::tuple<uint32_t, Overlap, bool>> {};

TEST_P(Months, EachDueTimeOutsideHasOneRunAndOfEachNightAtMostTheLast) {
  const auto [seed, overlap, catches_up] = GetParam();
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  std::mt19937 random(seed);
  const auto chance = [&random](uint32_t one_in) { return random() % one_in == 0; };
  const ScheduleRule rule{*CronTimes::Parse("0 * * * *", ""), overlap, catches_up ? 1h : 0s, 0s,
                          QuietTimes({{*CronTimes::Parse("30 22 * * *", "Europe/Berlin"), 8h}})};
  const absl::Time begin = Utc("2026-02-15T12:00:30");
  const absl::Time end = Utc("2026-05-15T12:00:00");
  ScheduleState kept{.last_due = begin, .pending = std::nullopt};
  std::map<absl::Time, int> runs;
  int told = 0;
  bool killed = false;
  Schedule schedule(rule, 1, kept);
  // Around the half hours, when something happens, somebody looks each 0.5 to 29.5 s; the time
  // between is passed in larger steps.
  const auto step = [&random](absl::Time now) {
    const absl::Duration near = absl::Milliseconds(500 + random() % 29000);
    const absl::Duration since =
        now - absl::UnixEpoch() - absl::Floor(now - absl::UnixEpoch(), absl::Minutes(30));
    if (since < absl::Minutes(2)) return near;
    return std::max(near, (absl::Minutes(29) - since) * (random() % 100 / 100.0));
  };
  for (absl::Time now = begin; now < end; now += step(now)) {
    if (chance(50)) schedule = Schedule(rule, 1, kept);
    const Schedule::Answer answer = schedule.Look(now, false);
    killed = answer.changed && !killed && chance(4);
    if (killed) {
      // Before anything was kept. Not twice in a row: that would be too late.
      schedule = Schedule(rule, 1, kept);
      continue;
    }
    kept = schedule.state();
    told += answer.quiet ? 1 : 0;
    ASSERT_THAT(answer.skipped, IsEmpty()) << answer.skipped[0];
    if (!answer.start) continue;
    ++runs[*answer.start];
    ASSERT_FALSE(rule.quiet.EndAfter(now)) << now;
  }
  int nights = 0;
  for (absl::Time due = Utc("2026-02-15T13:00:00"); due < end; due += absl::Hours(1)) {
    // The oracle, without cron: 22:30 in Berlin is 21:30 UTC until the 29th of March, then 20:30.
    const absl::CivilHour local(absl::ToCivilSecond(
        due + absl::Hours(due < Utc("2026-03-29T01:00:00") ? 1 : 2), absl::UTCTimeZone()));
    const bool summer_night = due >= Utc("2026-03-29T01:00:00") && due < Utc("2026-03-29T12:00:00");
    // The night of the change ends an hour later on the clock.
    const int last = summer_night ? 7 : 6;
    const bool quiet = local.hour() >= 23 || local.hour() <= last;
    const bool made_up = catches_up && local.hour() == last;
    nights += local.hour() == last ? 1 : 0;
    EXPECT_EQ(runs[due], !quiet || made_up ? 1 : 0) << due;
  }
  EXPECT_EQ(nights, 89);
  EXPECT_EQ(told, nights);
}

INSTANTIATE_TEST_SUITE_P(Seeds, Months,
                         testing::Combine(testing::Range(1U, 4U),
                                          testing::Values(Overlap::kSkip, Overlap::kQueue,
                                                          Overlap::kKill),
                                          testing::Bool()));

}  // namespace
}  // namespace procctl::node
