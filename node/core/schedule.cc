#include "node/core/schedule.h"

#include <algorithm>

#include "proto/support/duration_text.h"
#include "spdlog/fmt/fmt.h"

namespace procctl::node {
namespace {

// Due times that were missed are counted up to this; the guardian has other things to do.
constexpr int kMostCounted = 1000;

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
    : rule_(rule), seed_(seed), state_(state) {}

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
    missed->last = rule_.cron.LastIn(due, latest - absl::Nanoseconds(1)).value_or(due);
  }
  if (now - latest > Reach()) {
    missed->Add(latest);
  } else if (state_.pending) {
    answer->skipped.push_back(
        fmt::format("the due time {} is left out: the run of {} still waits for its start",
                    RunOf(latest), RunOf(*state_.pending)));
  } else {
    state_.pending = latest;
    held_up_ = false;
  }
  state_.last_due = latest;
  next_due_.reset();
  answer->changed = true;
}

void Schedule::SettlePending(absl::Time now, bool running, Missed* missed, Answer* answer) {
  if (!state_.pending) return;
  const absl::Time due = *state_.pending;
  const absl::Time start = StartOf(due);
  if (now < start) return;
  if (running && rule_.overlap != Overlap::kSkip) {
    held_up_ = true;
    answer->kill_running = rule_.overlap == Overlap::kKill;
    return;
  }
  state_.pending.reset();
  answer->changed = true;
  if (running) {
    answer->skipped.push_back(
        fmt::format("the due time {} is left out: the run before still goes on", RunOf(due)));
    return;
  }
  // What a killed guardian left waiting may have been held up by a run until a moment ago: it is
  // not lost because nobody saw that run's end.
  const bool perhaps_held_up = held_up_ || (!looked_ && rule_.overlap != Overlap::kSkip);
  if (now - start > Reach() && !perhaps_held_up) {
    missed->Add(due);
  } else {
    answer->start = due;
  }
}

absl::Time Schedule::next(absl::Time now) const {
  if (state_.pending) return std::max(now, StartOf(*state_.pending));
  const bool begins_anew = state_.last_due - now > absl::FromChrono(kClockWasWrong);
  return StartOf(rule_.cron.NextAfter(begins_anew ? now : std::max(now, state_.last_due)));
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

absl::Time Schedule::NextDue() {
  if (!next_due_) next_due_ = rule_.cron.NextAfter(state_.last_due);
  return *next_due_;
}

std::string RunOf(absl::Time due) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", due, absl::UTCTimeZone());
}

}  // namespace procctl::node
