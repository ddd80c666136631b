// What a heart's silence is, and who may be signalled: worked out once more.

#include <algorithm>
#include <set>

#include "tests/sim/oracle.h"
#include "tests/sim/oracle_rules.h"

namespace procctl::sim {

void Oracle::LifeBegins() {
  if (last_scan_ != Nanos(0)) late_ += host_->now() - last_scan_;
  last_scan_ = host_->now();
  last_suspended_ = host_->suspended();
  calm_needed_ = 0;
  may_judge_ = false;
  looked_ = true;
}

void Oracle::ScanBegins() {
  const Nanos interval = Ms(settings_.interval);
  elapsed_ = host_->now() - last_scan_;
  const Nanos slept = host_->suspended() - last_suspended_;
  last_scan_ = host_->now();
  last_suspended_ = host_->suspended();
  credit_ = std::min(elapsed_, kCreditedAtMost * interval);
  gap_ = slept > kSuspendNoise || elapsed_ > kStall * interval;
  gap_told_ = false;
  if (gap_) {
    calm_needed_ = kCalm;
    may_judge_ = false;
  } else {
    if (calm_needed_ > 0)
      calm_needed_ = elapsed_ > kCreditedAtMost * interval ? kCalm : calm_needed_ - 1;
    may_judge_ = calm_needed_ == 0;
  }
  looked_ = false;
}

void Oracle::Looked() {
  if (looked_) return;
  looked_ = true;
  observed_ += credit_;
  late_ += may_judge_ ? elapsed_ - credit_ : elapsed_;
  bool any_due = false;
  for (auto& [generation, heart] : hearts_) {
    if (heart.gone) continue;
    Look(heart);
    any_due |= DueFor(heart) != v1::SYMPTOM_UNSPECIFIED && !heart.closed;
  }
  if (!may_judge_ || settings_.common_cause == 0) return;
  if (!pause_.on && any_due && Together(false)) {
    pause_ = {.on = true, .began = host_->now()};
    pause_idle_ = Nanos(0);
  }
}

void Oracle::Look(Heart& heart) {
  const procctl_page& page = *heart.page;
  heart.closed = (page.flags & PROCCTL_PAGE_CLOSED) != 0;
  heart.gap_ended = Nanos(0);
  const bool beat = page.beats != heart.beats;
  heart.beats = page.beats;
  if (beat && heart.mode != Mode::kStarting) {
    if (heart.mode == Mode::kPlain) heart.gap_ended = heart.silence;
    heart.silence = Nanos(0);
    heart.shadow_told = false;
  } else {
    heart.silence += credit_;
  }
  // A page that its process never took up.
  if (!beat && page.beats == 0 && heart.silence > kUnclaimed) heart.closed = true;
  if (page.progress != heart.progress) {
    heart.progress = page.progress;
    heart.progress_silence = Nanos(0);
  } else if (heart.mode == Mode::kPlain && heart.progress_limit > Nanos(0)) {
    heart.progress_silence += credit_;
  }
  heart.flags = page.flags;
  if (heart.mode == Mode::kStarting) {
    if ((page.flags & PROCCTL_PAGE_READY) == 0) return;
    heart.mode = Mode::kPlain;
    heart.silence = heart.progress_silence = Nanos(0);
    heart.shadow_told = false;
  }
  if ((page.flags & PROCCTL_PAGE_BUSY) == 0) {
    heart.mode = Mode::kPlain;
    return;
  }
  if (heart.mode == Mode::kBusy && heart.busy_seen == page.busy_count) return;
  heart.mode = Mode::kBusy;
  heart.busy_seen = page.busy_count;
  const auto most = static_cast<uint64_t>(settings_.max_busy);
  heart.busy_limit =
      std::max(heart.timeout, Ms(static_cast<int64_t>(std::min(page.busy_ms, most))));
}

v1::Symptom Oracle::DueFor(const Heart& heart) const {
  if ((heart.flags & PROCCTL_PAGE_FAILED) != 0) return v1::SYMPTOM_GAVE_UP;
  if (heart.silence > heart.limit()) {
    return heart.mode == Mode::kStarting ? v1::SYMPTOM_NOT_READY
           : heart.mode == Mode::kBusy   ? v1::SYMPTOM_BUSY_TOO_LONG
                                         : v1::SYMPTOM_SILENT;
  }
  if (heart.mode == Mode::kPlain && heart.progress_limit > Nanos(0) &&
      heart.progress_silence > heart.progress_limit)
    return v1::SYMPTOM_NO_PROGRESS;
  return v1::SYMPTOM_UNSPECIFIED;
}

bool Oracle::StillDue(const Heart& heart) const {
  const procctl_page& page = *heart.page;
  switch (DueFor(heart)) {
    case v1::SYMPTOM_UNSPECIFIED:
      return false;
    case v1::SYMPTOM_GAVE_UP:
      return (page.flags & PROCCTL_PAGE_FAILED) != 0;
    case v1::SYMPTOM_NOT_READY:
      return (page.flags & PROCCTL_PAGE_READY) == 0;
    case v1::SYMPTOM_NO_PROGRESS:
      return page.progress == heart.progress;
    default:
      return page.beats == heart.beats;
  }
}

bool Oracle::IsSilent(const Heart& heart) const {
  if ((heart.flags & PROCCTL_PAGE_FAILED) != 0 || heart.mode == Mode::kStarting) return false;
  if (heart.silence > heart.limit()) return true;
  return heart.mode == Mode::kPlain && DueFor(heart) == v1::SYMPTOM_UNSPECIFIED &&
         heart.silence * 2 > heart.timeout;
}

// At least half of all hearts, of three processes or more, fell silent within one window, one of
// them beyond its limit. `any_window`: it does not matter when, nor of how many processes.
bool Oracle::Together(bool any_window) const {
  std::vector<const Heart*> silent;
  int64_t all = 0;
  for (const auto& [generation, heart] : hearts_) {
    if (heart.gone || heart.proc->canary) continue;
    // Given back in this very scan.
    if (const auto victim = victims_.find(heart.proc->id);
        heart.closed && (victim == victims_.end() || !victim->second.termed()))
      continue;
    ++all;
    if (IsSilent(heart)) silent.push_back(&heart);
  }
  const auto enough = [&](int64_t count) { return count >= kLeastTogether && count * 2 >= all; };
  if (!enough(static_cast<int64_t>(silent.size()))) return false;
  if (any_window) return true;
  for (const Heart* first : silent) {
    int64_t count = 0;
    bool due = false;
    std::set<const Proc*> procs;
    for (const Heart* other : silent) {
      if (other->silence < first->silence || other->silence - first->silence > kWindow) continue;
      ++count;
      procs.insert(other->proc);
      due |= other->silence > other->limit();
    }
    if (due && enough(count) && procs.size() >= kLeastTogether) return true;
  }
  return false;
}

uint32_t Oracle::Reasons(const Proc& proc) const {
  uint32_t reasons = 0;
  for (const auto& [generation, heart] : hearts_) {
    if (!heart.gone && heart.proc == &proc && heart.hold_ends && since_boot() < *heart.hold_ends)
      reasons |= Bit(v1::HELD_BY_OPERATOR);
  }
  const auto found = victims_.find(proc.id);
  const int64_t registered = found == victims_.end() ? 0 : found->second.registered_uid;
  const bool other_user = (settings_.guardian_uid != 0 && proc.uid != settings_.guardian_uid) ||
                          (registered != 0 && proc.uid != registered);
  if (proc.identity.pid <= 1 || proc.identity.pid == kOwnLine || proc.kernel_thread ||
      proc.comm == "sshd" || proc.comm == "precious" || other_user)
    reasons |= Bit(v1::HELD_BY_POLICY);
  if (proc.tracer != 0) reasons |= Bit(v1::HELD_BY_TRACER);
  if (proc.frozen) reasons |= Bit(v1::HELD_BY_FREEZER);
  if (settings_.enforce == 0) reasons |= Bit(v1::HELD_BY_OBSERVE);
  if (proc.denied) reasons |= Bit(v1::HELD_BY_KERNEL);
  return reasons;
}

}  // namespace procctl::sim
