#include "controller/core/pace.h"

#include <algorithm>
#include <utility>

#include "proto/support/duration_text.h"
#include "proto/support/time_convert.h"
#include "spdlog/fmt/fmt.h"

namespace procctl::controller {
namespace {

constexpr std::chrono::hours kMostWait{1};

absl::Status CheckWait(std::string_view field, const google::protobuf::Duration& wait) {
  const std::chrono::nanoseconds duration = FromProto(wait);
  if (duration.count() >= 0 && duration <= kMostWait) return absl::OkStatus();
  return absl::InvalidArgumentError(
      fmt::format("pace.{} {}s; it must be 0 to 1 hour", field, duration.count() / 1'000'000'000));
}

absl::Status CheckCount(std::string_view field, int count) {
  if (count >= 0) return absl::OkStatus();
  return absl::InvalidArgumentError(
      fmt::format("pace.{} {}; it must be 1 or more, or 0 for no bound", field, count));
}

bool Below(int bound, size_t targets) { return bound > 0 && static_cast<size_t>(bound) < targets; }

}  // namespace

bool Pace::SlowsDown(size_t targets) const {
  return Below(max_unavailable, targets) || Below(batch, targets);
}

absl::Status CheckPace(const v1::Pace& pace) {
  if (auto s = CheckCount("max_unavailable", pace.max_unavailable()); !s.ok()) return s;
  if (auto s = CheckCount("batch", pace.batch()); !s.ok()) return s;
  if (auto s = CheckWait("pause", pace.pause()); !s.ok()) return s;
  if (auto s = CheckWait("recovery_limit", pace.recovery_limit()); !s.ok()) return s;
  if (pace.has_halt_percent() && (pace.halt_percent() < 0 || pace.halt_percent() > 100)) {
    return absl::InvalidArgumentError(
        fmt::format("pace.halt_percent {}; it must be 0 to 100", pace.halt_percent()));
  }
  return absl::OkStatus();
}

Pace PaceOf(const v1::Pace& message) {
  Pace pace;
  pace.max_unavailable = message.max_unavailable();
  pace.batch = message.batch();
  pace.pause = FromProto(message.pause());
  if (message.has_recovery_limit()) pace.recovery_limit = FromProto(message.recovery_limit());
  if (message.has_halt_percent()) pace.halt_percent = message.halt_percent();
  return pace;
}

v1::Pace MessageOf(const Pace& pace) {
  v1::Pace message;
  message.set_max_unavailable(pace.max_unavailable);
  message.set_batch(pace.batch);
  *message.mutable_pause() = ToProto(pace.pause);
  *message.mutable_recovery_limit() = ToProto(pace.recovery_limit);
  message.set_halt_percent(pace.halt_percent);
  return message;
}

Pacer::Pacer(const Pace& pace, const std::vector<int>& batches)
    : pace_(pace),
      targets_(batches.size(), At::kWaiting),
      batch_of_(batches.size()),
      waiting_(static_cast<int>(batches.size())) {
  for (size_t i = 0; i < batches.size(); ++i) {
    if (i == 0 || batches[i] != batches[i - 1]) batches_.push_back({i, i, 0, 0});
    batches_.back().end = i + 1;
    batch_of_[i] = batches_.size() - 1;
  }
}

bool Pacer::ended() const {
  return state_ == v1::ORDER_STATE_FINISHED || state_ == v1::ORDER_STATE_CANCELLED;
}

int Pacer::batch() const { return static_cast<int>(std::min(current_ + 1, batches_.size())); }

std::vector<size_t> Pacer::Awaited() const {
  std::vector<size_t> targets;
  targets.reserve(awaited_.size());
  for (const auto& [target, since] : awaited_) targets.push_back(target);
  return targets;
}

void Pacer::Settle(size_t target, At at, MonoTime now) {
  --under_way_;
  targets_[target] = at;
  Batch& batch = batches_[batch_of_[target]];
  ++batch.settled;
  if (at == At::kFailed) {
    ++failed_;
    ++batch.failed;
  }
  while (current_ < batches_.size() &&
         batches_[current_].settled == batches_[current_].end - batches_[current_].begin) {
    // A batch too much of which has failed stays the one under way: it halts the order.
    if (HaltsAt(batches_[current_]) && waiting_ > 0) break;
    ++current_;
    settled_at_ = now;
  }
}

bool Pacer::HaltsAt(const Batch& batch) const {
  return batch.failed * 100 > static_cast<size_t>(pace_.halt_percent) * (batch.end - batch.begin);
}

void Pacer::Ended(size_t target, bool stopped, bool comes_back, MonoTime now) {
  if (target >= targets_.size() || targets_[target] != At::kSent) return;
  const bool waits = pace_.SlowsDown(targets_.size()) && pace_.recovery_limit.count() > 0;
  if (stopped && comes_back && waits) {
    targets_[target] = At::kAwaited;
    awaited_[target] = now;
    return;
  }
  Settle(target, stopped ? At::kBack : At::kFailed, now);
}

void Pacer::Returned(size_t target, MonoTime now) {
  if (awaited_.erase(target) > 0) Settle(target, At::kBack, now);
}

void Pacer::FailOverdue(MonoTime now) {
  for (auto it = awaited_.begin(); it != awaited_.end();) {
    if (now - it->second <= pace_.recovery_limit) {
      ++it;
      continue;
    }
    const size_t target = it->first;
    it = awaited_.erase(it);
    Settle(target, At::kFailed, now);
  }
}

void Pacer::Withdraw(size_t target) {
  if (target >= targets_.size() || targets_[target] != At::kSent) return;
  targets_[target] = At::kWaiting;
  --under_way_;
  ++waiting_;
}

void Pacer::RestoreSent(size_t target) {
  targets_[target] = At::kSent;
  --waiting_;
  ++under_way_;
}

void Pacer::RestoreState(v1::OrderState state, std::string message) {
  state_ = state;
  message_ = std::move(message);
}

Pacer::Turn Pacer::Next(MonoTime now) {
  Turn turn;
  if (ended()) return turn;
  FailOverdue(now);
  if (waiting_ == 0 && under_way_ == 0) {
    state_ = v1::ORDER_STATE_FINISHED;
    message_ =
        fmt::format("all {} targets have an outcome, {} of them failed", targets_.size(), failed_);
    return turn;
  }
  // Nothing waits: there is nothing to halt.
  if (waiting_ > 0 && state_ == v1::ORDER_STATE_RUNNING && HaltsAt(batches_[current_])) {
    const Batch& batch = batches_[current_];
    state_ = v1::ORDER_STATE_HALTED;
    message_ = fmt::format(
        "halted: {} of the {} targets of batch {} of {} failed, more than {}%; {} were not sent",
        batch.failed, batch.end - batch.begin, current_ + 1, batches_.size(), pace_.halt_percent,
        waiting_);
  }
  const auto look_at = [&](MonoTime when) {
    if (!turn.look_again || when < *turn.look_again) turn.look_again = when;
  };
  for (const auto& [target, since] : awaited_) {
    look_at(since + pace_.recovery_limit + std::chrono::nanoseconds(1));
  }
  if (state_ != v1::ORDER_STATE_RUNNING || waiting_ == 0) return turn;
  if (settled_at_ && now < *settled_at_ + pace_.pause) {
    look_at(*settled_at_ + pace_.pause);
    return turn;
  }
  const Batch& batch = batches_[current_];
  for (size_t i = batch.begin; i < batch.end; ++i) {
    if (targets_[i] != At::kWaiting) continue;
    if (pace_.max_unavailable > 0 && under_way_ >= pace_.max_unavailable) break;
    targets_[i] = At::kSent;
    --waiting_;
    ++under_way_;
    turn.send.push_back(i);
  }
  return turn;
}

bool Pacer::Pause(std::string why) {
  if (ended()) return false;
  // A halted order does not go on either, and its message says more.
  if (state_ != v1::ORDER_STATE_RUNNING) return true;
  state_ = v1::ORDER_STATE_PAUSED;
  message_ = std::move(why);
  return true;
}

bool Pacer::Resume(std::string why, MonoTime now) {
  if (ended()) return false;
  if (state_ == v1::ORDER_STATE_RUNNING) return true;
  state_ = v1::ORDER_STATE_RUNNING;
  message_ = std::move(why);
  for (Batch& batch : batches_) batch.failed = 0;
  while (current_ < batches_.size() &&
         batches_[current_].settled == batches_[current_].end - batches_[current_].begin) {
    ++current_;
    settled_at_ = now;
  }
  return true;
}

bool Pacer::Cancel(std::string why) {
  if (state_ == v1::ORDER_STATE_FINISHED) return false;
  if (state_ == v1::ORDER_STATE_CANCELLED) return true;
  state_ = v1::ORDER_STATE_CANCELLED;
  message_ = std::move(why);
  return true;
}

}  // namespace procctl::controller
