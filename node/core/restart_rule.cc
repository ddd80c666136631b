#include "node/core/restart_rule.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "proto/support/duration_text.h"
#include "spdlog/fmt/fmt.h"

namespace procctl::node {
namespace {

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

}  // namespace

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
  if (starts >= static_cast<size_t>(std::max(spec.intensity.starts, 1))) {
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
}

}  // namespace procctl::node
