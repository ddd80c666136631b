#include "node/core/restart_rule.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "proto/support/duration_text.h"
#include "spdlog/fmt/fmt.h"

namespace procctl::node {
namespace {

// Starts that are kept where none is one too many: to number the next one.
constexpr size_t kShownOfNever = 99;

bool IsHang(v1::Cause cause) {
  return cause == v1::CAUSE_HEARTBEAT || cause == v1::CAUSE_SELF_FAILED;
}

bool EndedByItself(v1::Cause cause) {
  return cause == v1::CAUSE_UNSPECIFIED || cause == v1::CAUSE_EXIT;
}

std::string Status(const Ending& ending) {
  if (!ending.status_known) return "ended unseen";
  if (ending.signal != 0) return fmt::format("signal {}", ending.signal);
  return fmt::format("exit code {}", ending.exit_code);
}

std::string Phrase(const Ending& ending) {
  switch (ending.cause) {
    case v1::CAUSE_HEARTBEAT:
      return "hung";
    case v1::CAUSE_SELF_FAILED:
      return "said itself that it failed";
    case v1::CAUSE_OPERATOR:
      return "ended by order";
    case v1::CAUSE_LIMIT:
      return "over its limit";
    case v1::CAUSE_CONFIG:
      return "its configuration changed";
    case v1::CAUSE_STOP:
      return "told to stop";
    case v1::CAUSE_SCHEDULE:
      return "ended by its schedule";
    case v1::CAUSE_OOM:
      return "out of memory";
    case v1::CAUSE_START_FAILED:
      return "could not be started";
    default:
      return Status(ending);
  }
}

bool Wants(RestartPolicy policy, bool failure, v1::Cause cause) {
  switch (policy) {
    case RestartPolicy::kAlways:
      return true;
    case RestartPolicy::kOnFailure:
      return failure;
    case RestartPolicy::kOnHang:
      return IsHang(cause);
    case RestartPolicy::kNever:
      return false;
  }
  return false;
}

std::string_view NameOf(RestartPolicy policy) {
  switch (policy) {
    case RestartPolicy::kAlways:
      return "always";
    case RestartPolicy::kOnFailure:
      return "on-failure";
    case RestartPolicy::kOnHang:
      return "on-hang";
    case RestartPolicy::kNever:
      return "never";
  }
  return "";
}

// Without jitter. Never overflows: `last` is doubled only where that stays below `most`.
Nanos Backoff(const BackoffRule& rule, Nanos last, Nanos ran) {
  if (last <= Nanos(0) || ran >= rule.reset_after) return rule.first;
  const Nanos most = std::max(rule.first, rule.most);
  return last >= most - last ? most : 2 * last;
}

Nanos Jitter(const BackoffRule& rule, Nanos delay, double random01) {
  const double share = std::clamp(random01, 0.0, 1.0) * rule.jitter_percent / 100.0;
  return Nanos(static_cast<int64_t>(static_cast<double>(delay.count()) * share));
}

void Forget(const IntensityRule& rule, RestartState* state, MonoTime now) {
  std::erase_if(state->recent_starts, [&](MonoTime start) { return now - start > rule.within; });
}

// The least time from a start to the one too many, whatever the runs between are: failures at once,
// and such as last just reset_after. Nanos::max(): longer than `within`.
Nanos LeastTime(const BackoffRule& backoff, const IntensityRule& intensity) {
  // By number of doublings since the last reset: when the present start is at the earliest.
  std::vector<Nanos> earliest = {Nanos(0)};
  std::vector<Nanos> waits = {backoff.first};
  while (waits.back() < backoff.most) {
    waits.push_back(Backoff(backoff, waits.back(), Nanos(0)));
    earliest.push_back(Nanos::max());
  }
  // `earliest[k]`: this start is followed by a wait of waits[k], if it fails at once.
  const auto later = [&](Nanos start, Nanos by) {
    return start > intensity.within || by > intensity.within - start ? Nanos::max() : start + by;
  };
  for (int i = 0; i < intensity.starts; ++i) {
    Nanos reset = Nanos::max();
    std::vector<Nanos> next(earliest.size(), Nanos::max());
    for (size_t k = 0; k < earliest.size(); ++k) {
      const size_t further = std::min(k + 1, earliest.size() - 1);
      next[further] = std::min(next[further], later(earliest[k], waits[k]));
      reset = std::min(reset, later(later(earliest[k], backoff.reset_after), backoff.first));
    }
    // After the reset it has waited `first` already.
    const size_t second = std::min<size_t>(1, next.size() - 1);
    next[second] = std::min(next[second], reset);
    earliest = std::move(next);
    if (*std::ranges::min_element(earliest) == Nanos::max()) return Nanos::max();
  }
  return *std::ranges::min_element(earliest);
}

}  // namespace

Parking ParkingOf(const ProgramSpec& spec) {
  const BackoffRule& backoff = spec.backoff;
  const IntensityRule& intensity = spec.intensity;
  Parking out;
  if (spec.restart == RestartPolicy::kNever || intensity.starts >= IntensityRule::kNever)
    return out;
  if (backoff.first <= Nanos(0)) return {true, true, intensity.starts, Nanos(0)};
  Nanos wait{0};
  Nanos total{0};
  for (int i = 1; i <= intensity.starts; ++i) {
    wait = Backoff(backoff, wait, Nanos(0));
    // More than anybody may write.
    if (wait > Nanos::max() - total) break;
    total += wait;
    if (total <= intensity.within) out.most_starts = i;
  }
  out.least_within = total;
  out.when_failing_at_once = out.most_starts == intensity.starts;
  // Ends that are no failure wait `first` each time.
  const bool by_good_ends = spec.restart == RestartPolicy::kAlways &&
                            intensity.within / intensity.starts >= backoff.first;
  out.possible =
      out.when_failing_at_once || by_good_ends || LeastTime(backoff, intensity) <= intensity.within;
  return out;
}

std::string WordsFor(const IntensityRule& rule, const Parking& parking) {
  // Rounded up to what is written with one unit.
  const Nanos minutes = std::chrono::ceil<std::chrono::minutes>(parking.least_within);
  const std::string starts = parking.most_starts > 0
                                 ? fmt::format("starts to {} or less within {}, or ",
                                               parking.most_starts, FormatDuration(rule.within))
                                 : "";
  return fmt::format("set {}within to {} or more, or shorten the backoff", starts,
                     FormatDuration(minutes));
}

bool IsFailure(const ProgramSpec& spec, const Ending& ending) {
  switch (ending.cause) {
    case v1::CAUSE_OPERATOR:
    case v1::CAUSE_STOP:
    case v1::CAUSE_CONFIG:
    case v1::CAUSE_SCHEDULE:
      return false;
    case v1::CAUSE_HEARTBEAT:
    case v1::CAUSE_SELF_FAILED:
    case v1::CAUSE_LIMIT:
    case v1::CAUSE_OOM:
    case v1::CAUSE_START_FAILED:
    case v1::CAUSE_UNKNOWN:
      return true;
    default:
      return !ending.status_known || ending.signal != 0 ||
             !spec.success_codes.contains(ending.exit_code);
  }
}

RestartAnswer AfterEnd(const ProgramSpec& spec, const Ending& ending, RestartState* state,
                       MonoTime now, double random01) {
  using What = RestartAnswer::What;
  const std::string phrase = Phrase(ending);
  if (ending.cause == v1::CAUSE_CONFIG) return {What::kStart, Nanos(0), phrase};
  if (EndedByItself(ending.cause) && ending.status_known && ending.signal == 0 &&
      spec.final_codes.contains(ending.exit_code)) {
    return {What::kDone, Nanos(0), fmt::format("{}, which is final", phrase)};
  }
  const bool failure = IsFailure(spec, ending);
  if (!Wants(spec.restart, failure, ending.cause)) {
    return {What::kDone, Nanos(0), fmt::format("{}; restart {}", phrase, NameOf(spec.restart))};
  }
  const Nanos base =
      failure ? Backoff(spec.backoff, state->last_delay, ending.ran) : spec.backoff.first;
  const bool waits = spec.backoff.first > Nanos(0);
  const Nanos delay = waits ? base + Jitter(spec.backoff, base, random01) : Nanos(0);
  state->last_delay = failure && waits ? base : Nanos(0);
  const auto starts =
      static_cast<size_t>(std::ranges::count_if(state->recent_starts, [&](MonoTime start) {
        return now + delay - start <= spec.intensity.within;
      }));
  if (spec.intensity.starts < IntensityRule::kNever &&
      starts >= static_cast<size_t>(std::max(spec.intensity.starts, 1))) {
    return {
        What::kPark, spec.intensity.retry_every,
        fmt::format("parked: {} starts within {}", starts, FormatDuration(spec.intensity.within))};
  }
  return {What::kStart, delay,
          fmt::format("{}; start {} {}", phrase, starts + 1,
                      delay > Nanos(0) ? "in " + FormatDuration(delay) : "at once")};
}

void NoteStart(const IntensityRule& rule, RestartState* state, MonoTime now) {
  Forget(rule, state, now);
  state->recent_starts.push_back(now);
  // All of them are written with each change: no more than are counted.
  const size_t most = rule.starts < IntensityRule::kNever
                          ? static_cast<size_t>(std::max(rule.starts, 1))
                          : kShownOfNever;
  std::vector<MonoTime>& starts = state->recent_starts;
  if (starts.size() > most)
    starts.erase(starts.begin(), starts.end() - static_cast<std::ptrdiff_t>(most));
}

}  // namespace procctl::node
