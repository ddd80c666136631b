#include "node/core/schedule.h"

#include <algorithm>
#include <utility>

#include "proto/support/duration_text.h"
#include "spdlog/fmt/fmt.h"

namespace procctl::node {
namespace {

// Due times that were missed are counted up to this; the guardian has other things to do.
constexpr int kMostCounted = 1000;
// Quiet times in a row that each swallow all due times in them: a year of days.
constexpr int kMostQuiet = 400;

constexpr absl::Duration kTick = absl::Nanoseconds(1);

// The finalizer of SplitMix64: each bit of the input moves half of the output's.
uint64_t Mix(uint64_t x) {
  x += 0x9e3779b97f4a7c15;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

}  // namespace

struct Schedule::Missed {
  int count = 0;
  absl::Time first;
  absl::Time last;

  void Add(absl::Time due) {
    if (count++ == 0) first = due;
    last = due;
  }

  std::string Sentence() const {
    if (count == 1) {
      return fmt::format("the due time {} passed while nothing could be started", RunOf(last));
    }
    return fmt::format("{}{} due times from {} to {} passed while nothing could be started",
                       count > kMostCounted ? "more than " : "", std::min(count, kMostCounted),
                       RunOf(first), RunOf(last));
  }
};

Schedule::Schedule(ScheduleRule rule, uint64_t seed, ScheduleState state)
    : rule_(std::move(rule)), seed_(seed), state_(state) {}

Schedule::Answer Schedule::Look(absl::Time now, bool running) {
  Answer answer;
  if (state_.last_due == absl::Time() || state_.last_due - now > absl::FromChrono(kClockWasWrong)) {
    BeginAnew(now, &answer);
  }
  Missed missed;
  // What waits comes first: when its turn has come, the due time after it may wait in its place.
  SettlePending(now, running, &missed, &answer);
  TakeNew(now, &missed, &answer);
  if (!answer.start) SettlePending(now, running, &missed, &answer);
  if (missed.count > 0) answer.skipped.push_back(missed.Sentence());
  looked_ = true;
  return answer;
}

void Schedule::BeginAnew(absl::Time now, Answer* answer) {
  if (state_.last_due != absl::Time()) {
    answer->skipped.push_back(fmt::format(
        "the clock was set back to {}, {} before the last due time {}: it had been wrong, and the "
        "schedule begins anew",
        RunOf(now), FormatDuration(absl::ToChronoNanoseconds(state_.last_due - now)),
        RunOf(state_.last_due)));
  }
  state_ = {.last_due = now, .pending = std::nullopt};
  next_due_.reset();
  held_up_ = false;
  answer->changed = true;
}

void Schedule::TakeNew(absl::Time now, Missed* missed, Answer* answer) {
  absl::Time due = NextDue();
  if (due > now) return;
  const absl::Time latest = rule_.cron.LastIn(state_.last_due, now).value_or(due);
  for (; due < latest && missed->count <= kMostCounted; due = rule_.cron.NextAfter(due)) {
    missed->Add(due);
  }
  if (due < latest) {
    // There are more than are counted.
    missed->last = rule_.cron.LastIn(due, latest - kTick).value_or(due);
  }
  TakeLatest(latest, now, missed, answer);
  state_.last_due = latest;
  next_due_.reset();
  answer->changed = true;
}

void Schedule::TakeLatest(absl::Time due, absl::Time now, Missed* missed, Answer* answer) {
  const std::optional<absl::Time> quiet_until = QuietUntil(due);
  const bool made_up_for = quiet_until && MadeUpFor(due, *quiet_until);
  if (quiet_until && (!made_up_for || now < *quiet_until)) {
    TellQuiet(due, *quiet_until, now, answer);
  }
  if (quiet_until && !made_up_for) return;
  // The last of those that wait for the end of one quiet time is the one that runs.
  const bool takes_over = state_.pending && quiet_until && QuietUntil(*state_.pending);
  if (TooLate(due, quiet_until, now)) {
    missed->Add(due);
  } else if (state_.pending && !takes_over) {
    answer->skipped.push_back(
        fmt::format("the due time {} is left out: the run of {} still waits for its start",
                    RunOf(due), RunOf(*state_.pending)));
  } else {
    state_.pending = due;
    held_up_ = false;
  }
}

// Not where the due time before was in the same quiet time: then it was told.
void Schedule::TellQuiet(absl::Time due, absl::Time until, absl::Time now, Answer* answer) const {
  const absl::Time before = state_.last_due;
  if (before < due && rule_.cron.NextAfter(before - kTick) == before &&
      QuietUntil(before) == until) {
    return;
  }
  answer->quiet =
      fmt::format("the due time {} is left out, like any other before {}: it {} quiet until then",
                  RunOf(due), RunOf(until), now < until ? "is" : "was");
  if (rule_.catch_up > Nanos(0)) {
    *answer->quiet += fmt::format("; the last of them is made up for if it is at most {} old then",
                                  FormatDuration(rule_.catch_up));
  }
}

void Schedule::SettlePending(absl::Time now, bool running, Missed* missed, Answer* answer) {
  if (!state_.pending) return;
  const absl::Time due = *state_.pending;
  const absl::Time start = StartOf(due);
  if (now < start) return;
  const std::optional<absl::Time> due_in_quiet = QuietUntil(due);
  if (due_in_quiet && !MadeUpFor(due, *due_in_quiet)) {
    // It was taken when the configuration said something else.
    TellQuiet(due, *due_in_quiet, now, answer);
    state_.pending.reset();
    answer->changed = true;
    return;
  }
  const bool quiet = rule_.quiet.EndAfter(now).has_value();
  if (quiet && due_in_quiet) return;
  if (running && rule_.overlap != Overlap::kSkip) {
    held_up_ = true;
    answer->kill_running = rule_.overlap == Overlap::kKill && !quiet;
    return;
  }
  // What a killed guardian left waiting may have been held up by a run until a moment ago: it is
  // not lost because nobody saw that run's end.
  held_up_ = held_up_ || (!looked_ && rule_.overlap != Overlap::kSkip);
  const bool too_late = TooLate(start, due_in_quiet, now) && !held_up_;
  if (quiet && !running && !too_late) return;
  state_.pending.reset();
  answer->changed = true;
  if (running) {
    answer->skipped.push_back(
        fmt::format("the due time {} is left out: the run before still goes on", RunOf(due)));
  } else if (too_late) {
    missed->Add(due);
  } else {
    answer->start = due;
  }
}

absl::Time Schedule::next(absl::Time now) const {
  if (state_.pending) {
    const absl::Time start = std::max(now, StartOf(*state_.pending));
    return rule_.quiet.EndAfter(start).value_or(start);
  }
  const bool begins_anew = state_.last_due - now > absl::FromChrono(kClockWasWrong);
  absl::Time after = begins_anew ? now : std::max(now, state_.last_due);
  for (int i = 0; i < kMostQuiet; ++i) {
    const absl::Time due = rule_.cron.NextAfter(after);
    const std::optional<absl::Time> quiet_until = QuietUntil(due);
    if (!quiet_until) return StartOf(due);
    const absl::Time last = rule_.cron.LastIn(due - kTick, *quiet_until - kTick).value_or(due);
    if (MadeUpFor(last, *quiet_until)) return std::max(*quiet_until, StartOf(last));
    after = *quiet_until - kTick;
  }
  return absl::InfiniteFuture();
}

absl::Time Schedule::StartOf(absl::Time due) const {
  if (rule_.jitter <= Nanos(0)) return due;
  const uint64_t hash = Mix(seed_ ^ Mix(static_cast<uint64_t>(absl::ToUnixSeconds(due))));
  const auto most = static_cast<uint64_t>(rule_.jitter.count());
  return due + absl::Nanoseconds(static_cast<int64_t>(hash % (most + 1)));
}

absl::Duration Schedule::Reach() const {
  return absl::FromChrono(std::max(kOnTime, rule_.catch_up));
}

// When it may be started first, if it lies in a quiet time or its start does.
std::optional<absl::Time> Schedule::QuietUntil(absl::Time due) const {
  if (rule_.quiet.empty() || due == absl::InfiniteFuture()) return std::nullopt;
  const std::optional<absl::Time> until = rule_.quiet.EndAfter(due);
  return until || rule_.jitter <= Nanos(0) ? until : rule_.quiet.EndAfter(StartOf(due));
}

bool Schedule::MadeUpFor(absl::Time due, absl::Time quiet_until) const {
  return quiet_until - due <= absl::FromChrono(rule_.catch_up);
}

bool Schedule::TooLate(absl::Time since, std::optional<absl::Time> quiet_until,
                       absl::Time now) const {
  // Whoever looks a moment after the end of a quiet time is on time.
  return now - since > Reach() && (!quiet_until || now - *quiet_until > absl::FromChrono(kOnTime));
}

absl::Time Schedule::NextDue() {
  if (!next_due_) next_due_ = rule_.cron.NextAfter(state_.last_due);
  return *next_due_;
}

std::string RunOf(absl::Time due) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", due, absl::UTCTimeZone());
}

}  // namespace procctl::node
