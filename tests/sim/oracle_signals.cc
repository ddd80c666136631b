// Every signal, right before it is delivered.

#include <signal.h>

#include <algorithm>

#include "tests/sim/oracle.h"
#include "tests/sim/oracle_rules.h"

namespace procctl::sim {

void Oracle::Signalled(const Proc& proc, const node::ProcessIdentity& meant, int signal) {
  Looked();
  Victim& victim = VictimOf(proc);
  if (proc.identity != meant)
    return Fail("I1 signal ", signal, " meant for start ", meant.start_ticks, " reaches start ",
                proc.identity.start_ticks, " under pid ", meant.pid);
  for (const auto& [id, other] : victims_) {
    if (other.continue_due && &other != &victim) return Fail("I3 SIGTERM without SIGCONT");
  }
  if (signal == SIGCONT) {
    if (!victim.continue_due) Fail("I1 SIGCONT out of turn");
    victim.continue_due = false;
    return;
  }
  if (const uint32_t reasons = Reasons(proc); reasons != 0)
    Fail("I1 signal ", signal, " to pid ", proc.identity.pid, " against reasons ", reasons);
  if (victim.continue_due) Fail("I3 SIGTERM without SIGCONT");
  if (signal == SIGTERM) {
    CheckTerm(proc, victim);
    ++victim.terms;
    victim.continue_due = true;
    victim.term_at = host_->now();
    victim.term_observed = observed_;
    victim.waited = Nanos(0);
  } else if (signal == SIGKILL) {
    CheckKill(proc, victim);
    ++victim.kills;
    victim.kill_at = host_->now();
    victim.waited = Nanos(0);
  } else {
    Fail("I1 signal ", signal, " is none of the guardian's");
  }
}

void Oracle::CheckTerm(const Proc& proc, Victim& victim) {
  if (victim.termed())
    return Fail("I6 a second SIGTERM to pid ", proc.identity.pid, " of start ",
                proc.identity.start_ticks);
  bool ordered = false;
  for (const auto& [id, book] : orders_) {
    if (!book.valid || book.answered || book.given.resent || book.given.target != &proc) continue;
    const Heart* heart = HeartOf(book.given.generation);
    ordered |= heart != nullptr && !heart->observe;
  }
  if (ordered) return;
  bool due = false;
  for (const auto& [generation, heart] : hearts_) {
    if (heart.gone || heart.proc != &proc || heart.observe || heart.closed) continue;
    due |= StillDue(heart);
  }
  if (!due)
    return Fail("I2 SIGTERM to pid ", proc.identity.pid, ", which is well or only observed");
  if (!may_judge_ || host_->now() - last_scan_ > kCreditedAtMost * Ms(settings_.interval))
    return Fail("I2 SIGTERM to pid ", proc.identity.pid, " by a guardian that was late itself");
  const KillBook& book = kills_[victim.kill];
  if (!book.evidence) return Fail("I7 SIGTERM to pid ", proc.identity.pid, " before the evidence");
  if (!proc.canary) CheckBrakes(proc, victim);
}

void Oracle::CheckBrakes(const Proc& proc, const Victim& victim) {
  const Nanos now = host_->now();
  const Nanos late_before = kills_[victim.kill].late_before;
  const double rate = static_cast<double>(settings_.per_minute) / 60;
  tokens_ = std::min(static_cast<double>(settings_.burst),
                     tokens_ + rate * std::chrono::duration<double>(now - tokens_at_).count());
  tokens_at_ = now;
  if (tokens_ >= static_cast<double>(settings_.burst)) {
    late_when_full_ = std::min(late_before, late_when_given_back_);
    late_when_given_back_ = late_;
  }
  tokens_ -= 1;
  // Between the grant and the signal lies the evidence, and perhaps a time in which nobody looked.
  const Nanos between = kEvidence + Ms(3 * settings_.interval);
  const Nanos late = late_ - std::min(late_when_full_, late_before);
  if (tokens_ < -rate * std::chrono::duration<double>(between + late).count() - 1e-6)
    return Fail("I8 SIGTERM to pid ", proc.identity.pid, " from an empty bucket");
  bucket_idle_ = pause_idle_ = Nanos(0);
  if (!pause_.on) return;
  if (now < pause_.began + Ms(settings_.pause))
    return Fail("I8 SIGTERM to pid ", proc.identity.pid, " in the pause of a common cause");
  if (pause_.last_kill != Nanos(0) &&
      now - pause_.last_kill < Ms(settings_.then_every) - between - (late_ - pause_.late_before))
    return Fail("I8 SIGTERM to pid ", proc.identity.pid, " too soon after the last one");
  pause_.last_kill = now;
  pause_.late_before = late_before;
}

void Oracle::CheckKill(const Proc& proc, Victim& victim) {
  if (!victim.termed()) return Fail("I6 SIGKILL to pid ", proc.identity.pid, " before SIGTERM");
  if (!may_judge_) return Fail("I2 SIGKILL by a guardian that was late itself");
  const Nanos now = host_->now();
  if (victim.killed()) {
    if (now - victim.kill_at < kRetry) Fail("I6 SIGKILL again too soon");
    return;
  }
  if (now - victim.term_at < victim.grace || observed_ - victim.term_observed < victim.grace)
    Fail("I3 SIGKILL to pid ", proc.identity.pid, " within its grace");
}

}  // namespace procctl::sim
