// Exactly one run for each due time, whatever is killed when and whatever happens to the clock.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <tuple>

#include "node/core/schedule.h"

namespace procctl::node {
namespace {

// A year of a daily program in the hands of guardians that crash and of a clock that is set. Near
// due times somebody looks each 0.1 to 5 s; the hours between are passed in larger steps.
class Year {
 public:
  Year(uint32_t seed, Overlap overlap, Nanos jitter)
      : random_(seed),
        rule_{*CronTimes::Parse("30 2 * * *", "Europe/Berlin"), overlap, Nanos(0), jitter},
        kept_{.last_due = kBegin, .pending = std::nullopt} {}

  void Live() {
    Schedule schedule(rule_, 1, kept_);
    for (absl::Time truth = kBegin; truth < kBegin + absl::Hours(24 * 365); truth += Step(truth)) {
      if (Chance(2000)) error_ = absl::Minutes(Upto(22 * 60) - 11 * 60);
      if (Chance(3000)) error_ = absl::ZeroDuration();
      if (Chance(1000)) truth += absl::Seconds(Upto(200));  // down
      if (Chance(300)) schedule = Schedule(rule_, 1, kept_);
      if (running_until_ && truth >= *running_until_) running_until_.reset();
      LookOnce(truth, &schedule);
    }
  }

  int runs(absl::Time due) const {
    const auto found = runs_.find(due);
    return found == runs_.end() ? 0 : found->second;
  }
  const std::map<absl::Time, int>& runs() const { return runs_; }
  const std::set<absl::Time>& musts() const { return musts_; }
  const std::set<absl::Time>& lost() const { return lost_; }

 private:
  static inline const absl::Time kBegin =
      absl::FromCivil(absl::CivilSecond(2026, 1, 1, 12), absl::UTCTimeZone());

  // So long before a due time somebody begins to look often.
  static constexpr absl::Duration kBefore = absl::Seconds(10);

  // The oracle, without cron: the latest due time at or before `wall`.
  static absl::Time LatestDue(absl::Time wall) {
    const absl::CivilDay today(absl::ToCivilSecond(wall, absl::UTCTimeZone()));
    const absl::Time due = DueOn(today);
    return due <= wall ? due : DueOn(today - 1);
  }
  static absl::Time DueOn(absl::CivilDay day) {
    const absl::Time midnight = absl::FromCivil(day, absl::UTCTimeZone());
    // On the 29th of March 2026 half past two is skipped, and 03:00 is 01:00 UTC; the night before
    // and the day after its end on the 25th of October, UTC is one hour behind, else two.
    if (day == absl::CivilDay(2026, 3, 29)) return midnight + absl::Hours(1);
    const bool summer = day > absl::CivilDay(2026, 3, 29) && day <= absl::CivilDay(2026, 10, 25);
    return midnight + absl::Minutes(summer ? 30 : 90);
  }

  absl::Duration Step(absl::Time truth) {
    const absl::Time wall = truth + error_;
    const absl::Time due = LatestDue(wall + kBefore);
    const bool near = wall - due < absl::Seconds(70);
    if (near || running_until_) return absl::Milliseconds(100 + Upto(4900));
    const absl::Duration to_next = LatestDue(due + absl::Hours(26)) - kBefore - wall;
    return std::max(absl::Seconds(1), std::min(to_next, absl::Minutes(1 + Upto(180))));
  }

  void LookOnce(absl::Time truth, Schedule* schedule) {
    const absl::Time wall = truth + error_;
    const bool running = running_until_.has_value();
    const Schedule::Answer answer = schedule->Look(wall, running);
    if (answer.changed && Chance(4)) {
      // Killed before anything was kept: nobody will know that this look was.
      *schedule = Schedule(rule_, 1, kept_);
      return;
    }
    const absl::Time due = LatestDue(wall);
    if (due > seen_ && wall - due <= absl::FromChrono(Schedule::kOnTime)) musts_.insert(due);
    seen_ = std::max(seen_, due);
    kept_ = schedule->state();
    if (answer.start && Chance(10)) {
      // Killed between keeping and starting. It must not run later.
      lost_.insert(*answer.start);
      *schedule = Schedule(rule_, 1, kept_);
      return;
    }
    if (answer.start) {
      EXPECT_FALSE(running);
      ++runs_[*answer.start];
      running_until_ = truth + absl::Seconds(Upto(20));
    }
  }

  int Upto(int most) { return static_cast<int>(random_() % static_cast<uint32_t>(most + 1)); }
  bool Chance(int one_in) { return random_() % static_cast<uint32_t>(one_in) == 0; }

  std::mt19937 random_;
  ScheduleRule rule_;
  ScheduleState kept_;
  // Of the wall clock; two of them are never further apart than kClockWasWrong.
  absl::Duration error_;
  std::optional<absl::Time> running_until_;
  // The latest due time that a kept look has seen.
  absl::Time seen_ = LatestDue(kBegin);
  std::map<absl::Time, int> runs_;
  std::set<absl::Time> musts_;
  std::set<absl::Time> lost_;
};

// Seed, overlap.
class Once : public testing::TestWithParam<std::tuple<uint32_t, Overlap>> {
 protected:
  uint32_t seed_ = std::get<0>(GetParam());
  Overlap overlap_ = std::get<1>(GetParam());
  testing::ScopedTrace trace_{__FILE__, __LINE__, testing::Message() << "seed " << seed_};
};

TEST_P(Once, EachDueTimeThatSomebodySawInTimeHasOneRun) {
  Year year(seed_, overlap_, Nanos(0));
  year.Live();
  for (const auto& [due, count] : year.runs()) {
    EXPECT_EQ(count, 1) << due;
    EXPECT_TRUE(year.musts().contains(due)) << due << " is no due time that was seen in time";
  }
  for (const absl::Time due : year.musts()) {
    EXPECT_EQ(year.runs(due), year.lost().contains(due) ? 0 : 1) << due;
  }
  EXPECT_GT(year.runs().size(), 250U) << "the simulation is about nothing";
  EXPECT_GT(year.lost().size(), 5U);
}

TEST_P(Once, WithJitterNoDueTimeHasTwoRuns) {
  Year year(seed_, overlap_, std::chrono::seconds(60));
  year.Live();
  for (const auto& [due, count] : year.runs()) EXPECT_EQ(count, 1) << due;
  EXPECT_GT(year.runs().size(), 150U) << "the simulation is about nothing";
}

INSTANTIATE_TEST_SUITE_P(Seeds, Once,
                         testing::Combine(testing::Range(1U, 9U),
                                          testing::Values(Overlap::kSkip, Overlap::kQueue,
                                                          Overlap::kKill)));

}  // namespace
}  // namespace procctl::node
