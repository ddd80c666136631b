#include "node/core/restart_rule.h"

#include <gtest/gtest.h>

#include <random>
#include <tuple>
#include <utility>

namespace procctl::node {
namespace {

using namespace std::chrono_literals;
using What = RestartAnswer::What;

constexpr MonoTime kNow{100h};
constexpr RestartPolicy kPolicies[] = {RestartPolicy::kAlways, RestartPolicy::kOnFailure,
                                       RestartPolicy::kOnHang, RestartPolicy::kNever};

Ending Exit(int code, Nanos ran = 1s) {
  return {.cause = v1::CAUSE_EXIT, .status_known = true, .exit_code = code, .ran = ran};
}
Ending Signal(v1::Cause cause, int signal = 15) {
  return {.cause = cause, .status_known = true, .signal = signal, .ran = 1s};
}

ProgramSpec Spec(RestartPolicy policy = RestartPolicy::kAlways) {
  ProgramSpec spec;
  spec.restart = policy;
  spec.backoff.jitter_percent = 0;
  return spec;
}

// One end of a program that has had few starts.
RestartAnswer Once(const ProgramSpec& spec, const Ending& ending, RestartState state = {}) {
  return AfterEnd(spec, ending, &state, kNow, 0);
}

TEST(IsFailure, ExitCodesThatAreNotSuccess) {
  ProgramSpec spec;
  EXPECT_FALSE(IsFailure(spec, Exit(0)));
  EXPECT_TRUE(IsFailure(spec, Exit(1)));
  spec.success_codes = {3};
  EXPECT_TRUE(IsFailure(spec, Exit(0)));
  EXPECT_FALSE(IsFailure(spec, Exit(3)));
  EXPECT_TRUE(IsFailure(spec, Signal(v1::CAUSE_SIGNAL, 3))) << "a signal is no exit code";
  EXPECT_TRUE(IsFailure(spec, {.cause = v1::CAUSE_EXIT, .status_known = false, .exit_code = 3}));
}

TEST(IsFailure, WhatWeWantedIsNone) {
  const ProgramSpec spec;
  for (const v1::Cause cause :
       {v1::CAUSE_OPERATOR, v1::CAUSE_STOP, v1::CAUSE_CONFIG, v1::CAUSE_SCHEDULE}) {
    EXPECT_FALSE(IsFailure(spec, Signal(cause))) << v1::Cause_Name(cause);
    Ending answered = Exit(143);
    answered.cause = cause;
    EXPECT_FALSE(IsFailure(spec, answered)) << v1::Cause_Name(cause);
  }
}

TEST(IsFailure, WhatNobodyWantedIsOneHoweverCleanItsExit) {
  const ProgramSpec spec;
  for (const v1::Cause cause : {v1::CAUSE_HEARTBEAT, v1::CAUSE_SELF_FAILED, v1::CAUSE_OOM,
                                v1::CAUSE_LIMIT, v1::CAUSE_START_FAILED, v1::CAUSE_UNKNOWN}) {
    Ending ending = Exit(0);
    ending.cause = cause;
    EXPECT_TRUE(IsFailure(spec, ending)) << v1::Cause_Name(cause);
  }
}

TEST(AfterEnd, PoliciesByCause) {
  // always, on-failure, on-hang, never.
  for (const auto& [ending, starts] : std::vector<std::pair<Ending, std::vector<bool>>>{
           {Exit(0), {true, false, false, false}},
           {Exit(3), {true, true, false, false}},
           {Signal(v1::CAUSE_SIGNAL, 11), {true, true, false, false}},
           {Signal(v1::CAUSE_HEARTBEAT, 9), {true, true, true, false}},
           {Signal(v1::CAUSE_SELF_FAILED), {true, true, true, false}},
           {Signal(v1::CAUSE_OOM, 9), {true, true, false, false}},
           {Signal(v1::CAUSE_LIMIT), {true, true, false, false}},
           {Exit(0, 0s), {true, false, false, false}},
           {{.cause = v1::CAUSE_START_FAILED}, {true, true, false, false}},
           {{.cause = v1::CAUSE_UNKNOWN}, {true, true, false, false}},
           {Signal(v1::CAUSE_OPERATOR), {true, false, false, false}},
           {Signal(v1::CAUSE_SCHEDULE), {true, false, false, false}},
           {Signal(v1::CAUSE_CONFIG), {true, true, true, true}},
       }) {
    for (size_t i = 0; i < starts.size(); ++i) {
      EXPECT_EQ(Once(Spec(kPolicies[i]), ending).what, starts[i] ? What::kStart : What::kDone)
          << v1::Cause_Name(ending.cause) << " " << ending.exit_code << ", policy " << i;
    }
  }
}

TEST(AfterEnd, FinalCodesAreDoneWhateverThePolicy) {
  ProgramSpec spec = Spec();
  spec.final_codes = {0, 100};
  const RestartAnswer answer = Once(spec, Exit(100));
  EXPECT_EQ(answer.what, What::kDone);
  EXPECT_EQ(answer.why, "exit code 100, which is final");
  EXPECT_EQ(Once(spec, Exit(0)).what, What::kDone);
  EXPECT_EQ(Once(spec, Exit(1)).what, What::kStart);
  EXPECT_EQ(Once(spec, Signal(v1::CAUSE_SIGNAL, 9)).what, What::kStart) << "its code is no 0";
  Ending hung = Exit(0);
  hung.cause = v1::CAUSE_HEARTBEAT;
  EXPECT_EQ(Once(spec, hung).what, What::kStart) << "it exited because we asked it to";
}

TEST(AfterEnd, AChangedConfigurationStartsAtOnceAndCountsNothing) {
  ProgramSpec spec = Spec(RestartPolicy::kNever);
  spec.final_codes = {0};
  spec.intensity.starts = 1;
  RestartState state{.last_delay = 8s, .recent_starts = {kNow - 1s, kNow}};
  Ending ending = Exit(0);
  ending.cause = v1::CAUSE_CONFIG;
  const RestartAnswer answer = AfterEnd(spec, ending, &state, kNow, 1);
  EXPECT_EQ(answer.what, What::kStart);
  EXPECT_EQ(answer.delay, 0s);
  EXPECT_EQ(answer.why, "its configuration changed");
  EXPECT_EQ(state.last_delay, 8s);
  EXPECT_EQ(state.recent_starts.size(), 2u);
}

TEST(Backoff, DoublesFromFirstToMost) {
  const ProgramSpec spec = Spec();
  RestartState state;
  for (const Nanos expected : {1s, 2s, 4s, 8s, 16s, 32s, 60s, 60s}) {
    EXPECT_EQ(AfterEnd(spec, Exit(1), &state, kNow, 0).delay, expected);
  }
}

TEST(Backoff, HavingRunLongEnoughIsAsGoodAsNew) {
  const ProgramSpec spec = Spec();
  RestartState shy{.last_delay = 8s};
  EXPECT_EQ(AfterEnd(spec, Exit(1, 60s - 1ns), &shy, kNow, 0).delay, 16s);
  RestartState at{.last_delay = 8s};
  EXPECT_EQ(AfterEnd(spec, Exit(1, 60s), &at, kNow, 0).delay, 1s);
  EXPECT_EQ(AfterEnd(spec, Exit(1), &at, kNow, 0).delay, 2s);
}

TEST(Backoff, AnEndThatIsNoFailureWaitsFirstAndBeginsAnew) {
  const ProgramSpec spec = Spec();
  RestartState state{.last_delay = 8s};
  EXPECT_EQ(AfterEnd(spec, Exit(0), &state, kNow, 0).delay, 1s);
  EXPECT_EQ(AfterEnd(spec, Exit(0), &state, kNow, 0).delay, 1s);
  EXPECT_EQ(AfterEnd(spec, Exit(1), &state, kNow, 0).delay, 1s);
  EXPECT_EQ(AfterEnd(spec, Exit(1), &state, kNow, 0).delay, 2s);
}

TEST(Backoff, FirstOfZeroNeverWaits) {
  ProgramSpec spec = Spec();
  spec.backoff.first = 0s;
  spec.backoff.jitter_percent = 100;
  RestartState state{.last_delay = 32s};
  for (int i = 0; i < 5; ++i) EXPECT_EQ(AfterEnd(spec, Exit(1), &state, kNow, 1).delay, 0s);
  EXPECT_EQ(AfterEnd(spec, Exit(0), &state, kNow, 1).delay, 0s);
}

TEST(Backoff, JitterIsAddedAndNotDoubled) {
  ProgramSpec spec = Spec();
  spec.backoff.jitter_percent = 20;
  RestartState state;
  EXPECT_EQ(AfterEnd(spec, Exit(1), &state, kNow, 1).delay, 1200ms);
  EXPECT_EQ(AfterEnd(spec, Exit(1), &state, kNow, 0.5).delay, 2200ms);
  EXPECT_EQ(AfterEnd(spec, Exit(1), &state, kNow, 0).delay, 4s);
  EXPECT_EQ(AfterEnd(spec, Exit(1), &state, kNow, 7).delay, 9600ms)
      << "never more than its percent";
}

TEST(Backoff, TheLongestWaitDoesNotOverflow) {
  ProgramSpec spec = Spec();
  spec.backoff.first = 24h;
  spec.backoff.most = Nanos::max() / 4;
  RestartState state;
  Nanos last{0};
  for (int i = 0; i < 40; ++i) {
    const Nanos delay = AfterEnd(spec, Exit(1), &state, kNow, 0).delay;
    EXPECT_GE(delay, last);
    last = delay;
  }
  EXPECT_EQ(last, spec.backoff.most);
}

TEST(Intensity, OneStartMoreThanAllowedParks) {
  ProgramSpec spec = Spec();
  spec.backoff.first = 0s;
  spec.intensity = {.starts = 3, .within = 2min, .retry_every = 10min};
  RestartState state;
  for (int start = 1; start <= 3; ++start) {
    NoteStart(spec.intensity, &state, kNow + start * 1s);
    const RestartAnswer answer = AfterEnd(spec, Exit(3), &state, kNow + start * 1s, 0);
    EXPECT_EQ(answer.what, start < 3 ? What::kStart : What::kPark) << start;
    EXPECT_EQ(answer.delay, start < 3 ? Nanos(0) : Nanos(10min));
    EXPECT_EQ(answer.why, start < 3 ? "exit code 3; start " + std::to_string(start + 1) + " at once"
                                    : "parked: 3 starts within 2m");
  }
}

TEST(Intensity, AStartExactlySoLongAgoStillCounts) {
  ProgramSpec spec = Spec();
  spec.backoff.first = 0s;
  spec.intensity.starts = 2;
  RestartState at{.recent_starts = {kNow - 2min, kNow}};
  EXPECT_EQ(AfterEnd(spec, Exit(1), &at, kNow, 0).what, What::kPark);
  RestartState past{.recent_starts = {kNow - 2min - 1ns, kNow}};
  EXPECT_EQ(AfterEnd(spec, Exit(1), &past, kNow, 0).what, What::kStart);
}

TEST(Intensity, IsJudgedAtTheTimeOfTheNextStart) {
  ProgramSpec spec = Spec();
  spec.intensity.starts = 2;
  RestartState at{.recent_starts = {kNow - 2min + 1s, kNow}};
  EXPECT_EQ(AfterEnd(spec, Exit(1), &at, kNow, 0).what, What::kPark);
  RestartState past{.recent_starts = {kNow - 2min + 1s - 1ns, kNow}};
  EXPECT_EQ(AfterEnd(spec, Exit(1), &past, kNow, 0).what, What::kStart);
}

TEST(Intensity, NoteStartForgetsWhatIsLongPast) {
  const IntensityRule rule;
  RestartState state{.recent_starts = {kNow - 2min - 1ns, kNow - 2min, kNow - 1s}};
  NoteStart(rule, &state, kNow);
  EXPECT_EQ(state.recent_starts, (std::vector<MonoTime>{kNow - 2min, kNow - 1s, kNow}));
}

TEST(Intensity, NoSpanEverHoldsMoreStartsThanAllowed) {
  for (uint32_t seed = 1; seed <= 10; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    std::mt19937 random(seed);
    ProgramSpec spec = Spec();
    spec.backoff = {.first = Nanos(1ms) * (random() % 3000),
                    .most = 20s,
                    .jitter_percent = 20,
                    .reset_after = 5s};
    spec.intensity = {.starts = 4, .within = 30s, .retry_every = 1min};
    RestartState state;
    std::vector<MonoTime> starts;
    MonoTime now = kNow;
    int parked = 0;
    for (int i = 0; i < 500; ++i) {
      NoteStart(spec.intensity, &state, now);
      starts.push_back(now);
      if (i >= 4) {
        EXPECT_GT(starts[i] - starts[i - 4], 30s);
      }
      const Nanos ran = Nanos(1ms) * (random() % 6000);
      now += ran;
      const RestartAnswer answer = AfterEnd(spec, Exit(static_cast<int>(random() % 3), ran), &state,
                                            now, (random() % 100) / 100.0);
      ASSERT_NE(answer.what, What::kDone);
      if (answer.what == What::kPark) ++parked;
      now += answer.delay;
    }
    EXPECT_GT(parked, 0);
  }
}

TEST(Why, IsShort) {
  const ProgramSpec spec = Spec();
  RestartState state{.last_delay = 4s, .recent_starts = {kNow - 20s, kNow - 10s, kNow - 2s}};
  EXPECT_EQ(Once(spec, Exit(3), state).why, "exit code 3; start 4 in 8s");
  EXPECT_EQ(Once(spec, Signal(v1::CAUSE_SIGNAL, 11)).why, "signal 11; start 1 in 1s");
  EXPECT_EQ(Once(spec, Signal(v1::CAUSE_HEARTBEAT, 9)).why, "hung; start 1 in 1s");
  EXPECT_EQ(Once(spec, {.cause = v1::CAUSE_UNKNOWN}).why, "ended unseen; start 1 in 1s");
  EXPECT_EQ(Once(Spec(RestartPolicy::kNever), Exit(0)).why, "exit code 0; restart never");
  EXPECT_EQ(Once(Spec(RestartPolicy::kOnFailure), Exit(0)).why, "exit code 0; restart on-failure");
  EXPECT_EQ(Once(Spec(RestartPolicy::kOnHang), Exit(1)).why, "exit code 1; restart on-hang");
}

TEST(Parking, TheStandardIntensityParksWhatFailsAtOnceWithTheStandardBackoff) {
  ProgramSpec spec;
  spec.backoff.jitter_percent = 20;
  RestartState state;
  MonoTime now = kNow;
  for (int starts = 1; starts <= 6; ++starts) {
    NoteStart(spec.intensity, &state, now);
    // Jitter as long as can be.
    const RestartAnswer answer = AfterEnd(spec, Exit(1), &state, now, 1);
    ASSERT_EQ(answer.what, starts == 6 ? What::kPark : What::kStart) << starts;
    now += answer.delay;
  }
  EXPECT_TRUE(ParkingOf(spec).when_failing_at_once);
}

TEST(Parking, TenStartsAreTooManyForThatAndSixAreNot) {
  ProgramSpec spec;
  spec.restart = RestartPolicy::kOnFailure;
  spec.intensity.starts = 10;
  const Parking ten = ParkingOf(spec);
  EXPECT_FALSE(ten.possible);
  EXPECT_EQ(ten.most_starts, 6);
  // 1s, 2s ... 32s and four times 60s.
  EXPECT_EQ(ten.least_within, 63s + 4 * 60s);
  EXPECT_EQ(WordsFor(spec.intensity, ten),
            "set starts to 6 or less within 2m, or within to 6m or more, or shorten the backoff");
  // One that ends well at once would be parked with it.
  spec.restart = RestartPolicy::kAlways;
  EXPECT_TRUE(ParkingOf(spec).possible);
  EXPECT_FALSE(ParkingOf(spec).when_failing_at_once);
  // So would one whose backoff begins anew because it ran for a minute in between.
  spec.restart = RestartPolicy::kOnFailure;
  spec.intensity.starts = 9;
  EXPECT_TRUE(ParkingOf(spec).possible);
  spec.restart = RestartPolicy::kNever;
  EXPECT_FALSE(ParkingOf(spec).possible);
}

TEST(Parking, AMillionStartsMeanNever) {
  ProgramSpec spec;
  spec.backoff.first = 0s;
  spec.intensity.starts = 999'999;
  RestartState state{.recent_starts = std::vector<MonoTime>(1'000'000, kNow)};
  EXPECT_EQ(AfterEnd(spec, Exit(1), &state, kNow, 0).what, What::kPark);
  EXPECT_TRUE(ParkingOf(spec).possible);
  spec.intensity.starts = 1'000'000;
  EXPECT_EQ(AfterEnd(spec, Exit(1), &state, kNow, 0).what, What::kStart);
  EXPECT_FALSE(ParkingOf(spec).possible);
}

TEST(Intensity, NoMoreStartsAreKeptThanAreCounted) {
  for (const auto& [starts, kept] : {std::pair(3, 3U), std::pair(1'000'000, 99U)}) {
    const IntensityRule rule{.starts = starts, .within = 1h, .retry_every = 1min};
    RestartState state;
    for (int i = 0; i < 200; ++i) NoteStart(rule, &state, kNow + i * 1ms);
    EXPECT_EQ(state.recent_starts.size(), kept);
    EXPECT_EQ(state.recent_starts.back(), kNow + 199ms);
  }
}

TEST(Parking, ExactlySoLongIsReachedAndANanosecondLessIsNot) {
  ProgramSpec spec;
  spec.restart = RestartPolicy::kOnFailure;
  spec.backoff = {.first = 10s, .most = 10s, .jitter_percent = 0, .reset_after = 60s};
  spec.intensity = {.starts = 3, .within = 30s, .retry_every = 1min};
  EXPECT_TRUE(ParkingOf(spec).possible);
  EXPECT_TRUE(ParkingOf(spec).when_failing_at_once);
  spec.intensity.within = 30s - 1ns;
  EXPECT_FALSE(ParkingOf(spec).possible);
  EXPECT_EQ(ParkingOf(spec).most_starts, 2);
  spec.restart = RestartPolicy::kAlways;
  EXPECT_FALSE(ParkingOf(spec).possible);
  spec.backoff.first = 0s;
  EXPECT_TRUE(ParkingOf(spec).when_failing_at_once);
}

// Against the rule itself, fed with failures at once and with runs that last just long enough.
TEST(Parking, IsPossibleIfAndOnlyIfSomeSeriesOfFailuresParks) {
  int possible = 0;
  int impossible = 0;
  std::mt19937 random(7);
  for (int i = 0; i < 300; ++i) {
    ProgramSpec spec;
    spec.restart = RestartPolicy::kOnFailure;
    spec.backoff = {.first = Nanos(1s) * (1 + random() % 5),
                    .most = Nanos(1s) * (5 + random() % 30),
                    .jitter_percent = 0,
                    .reset_after = Nanos(1s) * (1 + random() % 30)};
    spec.intensity = {.starts = static_cast<int>(1 + random() % 8),
                      .within = Nanos(1s) * (1 + random() % 200),
                      .retry_every = 1min};
    bool parks = false;
    // Which of the runs last: all ways there are.
    for (uint32_t ways = 0; ways < (1U << spec.intensity.starts) && !parks; ++ways) {
      RestartState state;
      MonoTime now = kNow;
      for (int run = 0; run < spec.intensity.starts && !parks; ++run) {
        NoteStart(spec.intensity, &state, now);
        const Nanos ran = (ways >> run & 1) != 0 ? spec.backoff.reset_after : Nanos(0);
        now += ran;
        const RestartAnswer answer = AfterEnd(spec, Exit(1, ran), &state, now, 0);
        parks = answer.what == What::kPark;
        now += answer.delay;
      }
    }
    ASSERT_EQ(ParkingOf(spec).possible, parks)
        << spec.backoff.first.count() << " " << spec.backoff.most.count() << " "
        << spec.backoff.reset_after.count() << " " << spec.intensity.starts << " "
        << spec.intensity.within.count();
    ++(parks ? possible : impossible);
  }
  EXPECT_GT(possible, 30);
  EXPECT_GT(impossible, 30);
}

}  // namespace
}  // namespace procctl::node
