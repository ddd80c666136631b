// What the guardian owes after each scan: in time, or with a reason on record.

#include <algorithm>

#include "tests/sim/oracle.h"
#include "tests/sim/oracle_rules.h"

namespace procctl::sim {

void Oracle::ScanEnds() {
  Looked();
  if (gap_ && !gap_told_) Fail("I7 a gap of the guardian is on no record");
  for (const auto& [generation, heart] : hearts_) {
    if (!heart.gone && heart.hold_ends && since_boot() >= *heart.hold_ends)
      Fail("I7 the hold of slot ", generation, " ran out and nobody says so");
    if (!heart.gone && heart.closed && heart.proc->alive && !VictimOf(*heart.proc).termed())
      Fail("I5 slot ", generation, " was given back and is still there");
  }
  if (!may_judge_) return;
  if (pause_.on != core_pause_ && settings_.common_cause != 0)
    Fail("I8 common cause is ", pause_.on ? "there and not seen" : "seen where there is none");
  for (auto& [id, victim] : victims_) {
    const Proc& proc = *host_->all()[id];
    if (!victim.guarded || !proc.alive || Misbound(proc)) continue;
    CheckVictim(proc, victim);
  }
  if (bucket_waits_) {
    bucket_idle_ += credit_;
    if (bucket_idle_ > 2 * Ms(60000 / settings_.per_minute) + std::chrono::seconds(1))
      Fail("I3 a kill waits for a bucket that must have filled long ago");
  } else {
    bucket_idle_ = Nanos(0);
  }
  if (pause_waits_) {
    pause_idle_ += credit_;
    if (pause_idle_ > Ms(std::max(settings_.pause, settings_.then_every)) +
                          2 * Ms(60000 / settings_.per_minute) + std::chrono::seconds(1))
      Fail("I3 a kill waits for a pause that must be over");
  } else {
    pause_idle_ = Nanos(0);
  }
  bucket_waits_ = pause_waits_ = false;
}

void Oracle::CheckVictim(const Proc& proc, Victim& victim) {
  uint64_t dues = 0;
  bool enforced = false;
  bool observed = false;
  bool any = false;
  for (const auto& [generation, heart] : hearts_) {
    if (heart.gone || heart.proc != &proc) continue;
    any = true;
    const v1::Symptom due = heart.closed ? v1::SYMPTOM_UNSPECIFIED : DueFor(heart);
    dues = dues * 31 + static_cast<uint64_t>(due) + 1;
    if (due == v1::SYMPTOM_UNSPECIFIED) continue;
    (heart.observe ? observed : enforced) = true;
  }
  const uint32_t reasons = Reasons(proc);
  victim.free = reasons == 0 ? victim.free + credit_ : Nanos(0);
  victim.ever_withheld |= reasons != 0;
  const Nanos slack = Ms(4 * settings_.interval) + kEvidence;
  const bool free = !victim.ever_withheld || victim.free > kRecheck + slack;
  if (victim.termed()) {
    CheckLadder(proc, victim, free);
    return;
  }
  if (!any) return;
  if (victim.kill != 0) {
    const auto book = kills_.find(victim.kill);
    if (book != kills_.end() && book->second.hung) {
      const Heart* blamed = HeartOf(book->second.generation);
      if (blamed == nullptr || DueFor(*blamed) != book->second.symptom)
        Fail("I7 kill ", victim.kill, " of pid ", proc.identity.pid,
             " is still there though its heart is well");
    }
  }
  if (dues != victim.dues || reasons != victim.reasons) {
    victim.obliged = victim.withheld = Nanos(0);
    victim.dues = dues;
    victim.reasons = reasons;
  }
  if (reasons == 0 && enforced) {
    if (victim.held_by == v1::HELD_BY_BUCKET) {
      bucket_waits_ |= !pause_.on;
      return;
    }
    if (victim.held_by == v1::HELD_BY_COMMON_CAUSE) {
      pause_waits_ = true;
      return;
    }
    victim.obliged += credit_;
    if (victim.obliged > slack + (victim.ever_withheld ? kRecheck : Nanos(0)))
      Fail("I3 pid ", proc.identity.pid, " hangs, nothing withholds it, and no SIGTERM for ",
           victim.obliged.count() / 1000000, " ms");
    return;
  }
  if (!enforced && !observed) return;
  victim.withheld += credit_;
  const uint32_t allowed =
      // While a brake holds it nothing else is asked.
      reasons | kBrakes | (observed ? Bit(v1::HELD_BY_OBSERVE) : 0);
  if (victim.withheld > slack + kRecheck && (allowed & Bit(victim.held_by)) == 0)
    Fail("I7 pid ", proc.identity.pid,
         " is withheld and no event says why (said: ", v1::HeldBy_Name(victim.held_by), ")");
}

void Oracle::CheckLadder(const Proc& proc, Victim& victim, bool free) {
  victim.waited += credit_;
  const Nanos slack = Ms(4 * settings_.interval);
  if (!victim.killed()) {
    if (free && victim.waited > victim.grace + slack)
      Fail("I3 pid ", proc.identity.pid, " is past its grace and gets no SIGKILL");
  } else if (!victim.unkillable) {
    if (victim.waited > kPatience + slack)
      Fail("I7 pid ", proc.identity.pid, " does not end on SIGKILL and nobody says so");
  } else if (free && victim.waited > kRetry + slack) {
    Fail("I3 unkillable pid ", proc.identity.pid, " was not tried again");
  }
}

}  // namespace procctl::sim
