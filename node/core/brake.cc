#include "node/core/brake.h"

#include <algorithm>

#include "proto/support/duration_text.h"
#include "proto/support/time_convert.h"
#include "spdlog/fmt/fmt.h"

namespace procctl::node {

double TokenBucket::tokens(MonoTime now) const {
  const double minutes = std::chrono::duration<double, std::ratio<60>>(now - at_).count();
  return std::min(burst_, tokens_ + std::max(0.0, minutes) * per_minute_);
}

void TokenBucket::Refill(MonoTime now) {
  tokens_ = tokens(now);
  at_ = std::max(at_, now);
}

bool TokenBucket::Take(MonoTime now) {
  Refill(now);
  if (tokens_ < 1) return false;
  tokens_ -= 1;
  return true;
}

void TokenBucket::Return(MonoTime now) {
  Refill(now);
  tokens_ = std::min(burst_, tokens_ + 1);
}

void TokenBucket::Restore(double tokens, MonoTime at) {
  tokens_ = std::clamp(tokens, 0.0, burst_);
  at_ = at;
}

bool Brake::Together(int64_t slots, int64_t processes, const SilenceCensus& census) const {
  return policy_.common_cause && slots >= policy_.least && processes >= policy_.least &&
         slots * 100 >= census.slots * policy_.share_percent;
}

Nanos Brake::pause_left(MonoTime now) const {
  return common_cause_ && next_ > now ? next_ - now : Nanos(0);
}

Brake::Answer Brake::Observe(const SilenceCensus& census, MonoTime now) {
  Answer answer;
  if (!common_cause_) {
    if (!Together(census.silent_together, census.processes_together, census)) return answer;
    common_cause_ = true;
    pause_ends_ = next_ = now + policy_.pause;
    turn_of_ = 0;
    answer.alarm = fmt::format(
        "{} of {} slots went silent within {}: the cause is this host, not each process; no kill "
        "for {}, then one "
        "every {} until the silence ends",
        census.silent_together, census.slots, FormatDuration(policy_.window),
        FormatDuration(policy_.pause), FormatDuration(policy_.then_every));
    return answer;
  }
  // The whole pause is kept, however soon they recover: a host that was that sick may be again.
  // After it, the silence may end between two turns, and then nobody waits for the next.
  if (now < pause_ends_ || Together(census.silent, policy_.least, census)) return answer;
  common_cause_ = false;
  answer.relief = fmt::format("the common silence is over: {} of {} slots are silent now",
                              census.silent, census.slots);
  return answer;
}

Brake::Answer Brake::Ask(MonoTime now, int64_t kill) {
  Answer answer;
  if (common_cause_ && now < next_) {
    answer.held_by = v1::HELD_BY_COMMON_CAUSE;
    answer.reason = "too many slots went silent together (common cause)";
    return answer;
  }
  if (!bucket_.Take(now)) {
    answer.held_by = v1::HELD_BY_BUCKET;
    answer.reason =
        fmt::format("the bucket is empty: this node stops {} at once and {} a minute at most",
                    policy_.burst, policy_.per_minute);
    return answer;
  }
  if (common_cause_) {
    next_ = now + policy_.then_every;
    turn_of_ = kill;
  }
  answer.granted = true;
  return answer;
}

void Brake::Return(MonoTime now, int64_t kill) {
  bucket_.Return(now);
  // A kill that cannot be carried out must not take every turn from those that can.
  if (!common_cause_ || kill == 0 || turn_of_ != kill) return;
  turn_of_ = 0;
  next_ = now;
}

v1::BrakeRecord Brake::Record(MonoTime now) const {
  v1::BrakeRecord record;
  record.set_tokens(bucket_.tokens(now));
  *record.mutable_at() = ToProto(now.time_since_epoch());
  record.set_common_cause(common_cause_);
  if (common_cause_) *record.mutable_pause_ends() = ToProto(next_.time_since_epoch());
  return record;
}

void Brake::Restore(const v1::BrakeRecord& record) {
  bucket_.Restore(record.tokens(), MonoTime(FromProto(record.at())));
  common_cause_ = record.common_cause() && policy_.common_cause;
  // Whether the pause is over was not kept: at worst one turn is waited for.
  if (common_cause_) pause_ends_ = next_ = MonoTime(FromProto(record.pause_ends()));
}

}  // namespace procctl::node
