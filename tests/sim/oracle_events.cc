// The journal's records and the events, held against what happened.

#include <algorithm>
#include <utility>

#include "proto/support/time_convert.h"
#include "tests/sim/oracle.h"
#include "tests/sim/oracle_rules.h"

namespace procctl::sim {

void Oracle::Put(const v1::StateRecord& record) {
  Looked();
  ++puts_;
  if (record.has_slot_gone()) {
    if (const auto found = hearts_.find(record.slot_gone()); found != hearts_.end())
      found->second.gone = true;
  } else if (record.has_kill()) {
    for (const auto& proc : host_->all()) {
      if (proc->identity.pid != record.kill().pid() ||
          proc->identity.start_ticks != record.kill().start_ticks())
        continue;
      Victim& victim = VictimOf(*proc);
      victim.kill = record.kill().number();
      victim.intent = record.kill().intent();
      const auto [at, fresh] = kills_.try_emplace(victim.kill);
      if (!fresh) return;
      at->second.proc = proc.get();
      at->second.late_before = late_;
      at->second.ordered = record.kill().subject().cause() == v1::CAUSE_OPERATOR;
      victim.held_by = v1::HELD_BY_UNSPECIFIED;
      victim.grace = FromProto(record.kill().grace());
      bool known = !at->second.ordered && victim.grace == Ms(settings_.grace);
      for (const auto& [id, book] : orders_)
        known |= book.valid && book.given.target == proc.get() && book.given.grace == victim.grace;
      if (!known) Fail("I3 nobody asked for a grace of ", victim.grace.count() / 1000000, " ms");
    }
  } else if (record.has_kill_over()) {
    if (const auto found = kills_.find(record.kill_over());
        found != kills_.end() && found->second.proc != nullptr) {
      Victim& victim = VictimOf(*found->second.proc);
      if (victim.kill == record.kill_over()) victim.kill = 0;
    }
  }
}

void Oracle::Recorded(const v1::Event& event) {
  const bool gap = event.kind() == v1::EVENT_KIND_STALL || event.kind() == v1::EVENT_KIND_SUSPEND;
  if (!gap) Looked();
  unsafe_events_.push_back(event);
  switch (event.kind()) {
    case v1::EVENT_KIND_STALL:
    case v1::EVENT_KIND_SUSPEND:
      if (looked_ || !gap_) Fail("I7 a gap is on record that was none");
      gap_told_ = true;
      break;
    case v1::EVENT_KIND_HUNG:
      CheckHung(event);
      break;
    case v1::EVENT_KIND_HELD:
    case v1::EVENT_KIND_WOULD_KILL:
      CheckHeld(event);
      break;
    case v1::EVENT_KIND_BRAKE:
      CheckBrakeEvent(event);
      break;
    case v1::EVENT_KIND_EVIDENCE:
      kills_[event.kill()].evidence = true;
      break;
    case v1::EVENT_KIND_TERM_SENT:
    case v1::EVENT_KIND_KILL_SENT: {
      const Proc* proc = ProcOf(event);
      if (proc == nullptr) return Fail("I7 a signal is on record for nobody");
      Victim& victim = VictimOf(*proc);
      const bool counted = event.message().find("counted as sent") != std::string::npos;
      if (counted && !ever_crashed_) return Fail("I7 a signal is counted that nobody lost");
      if (event.kind() == v1::EVENT_KIND_TERM_SENT) {
        if (counted && victim.terms == 0) {
          victim.term_at = host_->now();
          victim.term_observed = observed_;
        }
        victim.term_counted |= counted;
        if (!victim.termed()) Fail("I7 TERM_SENT and no SIGTERM");
      } else {
        if (counted && victim.kills == 0) victim.kill_at = host_->now();
        victim.kill_counted |= counted;
        if (!victim.killed()) Fail("I7 KILL_SENT and no SIGKILL");
      }
      break;
    }
    case v1::EVENT_KIND_VERDICT:
      if (event.order_id().empty()) {
        CheckVerdict(event);
      } else {
        CheckOrderVerdict(event);
      }
      break;
    case v1::EVENT_KIND_NEAR_MISS: {
      const Heart* heart = HeartOf(event.incarnation().generation());
      if (heart == nullptr || heart->gap_ended != FromProto(event.silence()) ||
          heart->gap_ended * 10 <= heart->timeout * 8)
        Fail("I7 a near miss is on record that was none");
      break;
    }
    case v1::EVENT_KIND_SLOT_CLOSED: {
      const Heart* heart = HeartOf(event.incarnation().generation());
      if (heart == nullptr || !heart->closed) Fail("I7 a slot is closed that nobody gave back");
      break;
    }
    case v1::EVENT_KIND_HOLD_ENDED: {
      const Heart* heart = HeartOf(event.incarnation().generation());
      if (heart == nullptr) return Fail("I7 a hold of nobody ended");
      if (event.order_id().empty() && heart->hold_ends && since_boot() < *heart->hold_ends)
        Fail("I1 a hold ended before its time");
      HoldReleased(event.incarnation().generation());
      break;
    }
    case v1::EVENT_KIND_PROCESS_GONE: {
      const Proc* proc = ProcOf(event);
      if (proc == nullptr || proc->alive) Fail("I7 a process is said to be gone that lives");
      break;
    }
    default:
      break;
  }
}

void Oracle::CheckHung(const v1::Event& event) {
  const Heart* heart = HeartOf(event.incarnation().generation());
  if (heart == nullptr) return Fail("I7 HUNG of a slot that is not there");
  KillBook& book = kills_[event.kill()];
  book.hung = true;
  book.generation = event.incarnation().generation();
  book.symptom = event.symptom();
  const v1::Symptom due = DueFor(*heart);
  const bool progress = due == v1::SYMPTOM_NO_PROGRESS;
  if (due == v1::SYMPTOM_UNSPECIFIED || event.symptom() != due)
    return Fail("I2 HUNG says ", v1::Symptom_Name(event.symptom()), " and it is ",
                v1::Symptom_Name(due));
  if (FromProto(event.silence()) != (progress ? heart->progress_silence : heart->silence) ||
      FromProto(event.timeout()) != (progress ? heart->progress_limit : heart->limit()))
    Fail("I7 HUNG gives other numbers than were observed");
  if (!may_judge_) Fail("I2 HUNG by a guardian that was late itself");
}

void Oracle::CheckHeld(const v1::Event& event) {
  const Heart* heart = HeartOf(event.incarnation().generation());
  if (event.kill() == 0) {
    if (heart == nullptr || heart->shadow == Nanos(0) || heart->silence <= heart->shadow)
      Fail("I7 a shadow kill is on record that was none");
    if (heart != nullptr &&
        std::exchange(hearts_[event.incarnation().generation()].shadow_told, true))
      Fail("I7 one silence passes the shadow timeout twice");
    return;
  }
  const Proc* proc = ProcOf(event);
  if (proc == nullptr) return Fail("I7 HELD of nobody");
  Victim& victim = VictimOf(*proc);
  if (victim.held_by == event.held_by() && victim.kill == event.kill() && !victim.termed() &&
      victim.withheld > Nanos(0) && (kBrakes & Bit(event.held_by())) == 0)
    Fail("I5 pid ", proc->identity.pid, " is said to be held again for the same reason");
  victim.held_by = event.held_by();
  // Perhaps for a reason that came and went between two scans: it is asked again a second later.
  if ((kBrakes & Bit(event.held_by())) == 0) {
    victim.ever_withheld = true;
    victim.free = victim.withheld = Nanos(0);
  }
  uint32_t allowed = Reasons(*proc);
  if (heart != nullptr && heart->observe) allowed |= Bit(v1::HELD_BY_OBSERVE);
  if (core_pause_) allowed |= Bit(v1::HELD_BY_COMMON_CAUSE);
  allowed |= Bit(v1::HELD_BY_BUCKET);
  if ((allowed & Bit(event.held_by())) == 0)
    Fail("I7 pid ", proc->identity.pid, " is said to be held by ", v1::HeldBy_Name(event.held_by()),
         ", which is not so");
  if ((kBrakes & Bit(event.held_by())) != 0 && proc->canary) Fail("I8 a canary asks a brake");
}

void Oracle::CheckBrakeEvent(const v1::Event& event) {
  if (event.severity() == v1::SEVERITY_ALARM) {
    if (core_pause_) Fail("I8 two alarms of one common cause");
    core_pause_ = true;
    if (!pause_.on) Fail("I8 alarm of a common cause where there is none");
    return;
  }
  core_pause_ = false;
  if (!pause_.on || host_->now() < pause_.began + Ms(settings_.pause) || Together(true))
    Fail("I8 the pause of a common cause ends too soon");
  pause_ = Pause();
}

void Oracle::CheckVerdict(const v1::Event& event) {
  const Proc* proc = ProcOf(event);
  if (proc == nullptr) return Fail("I7 a verdict over nobody");
  Victim& victim = VictimOf(*proc);
  const bool gone = !proc->alive;
  bool good = true;
  switch (event.verdict()) {
    case v1::VERDICT_GONE_ALREADY:
      good = gone && !victim.termed();
      break;
    case v1::VERDICT_EXITED_ON_TERM:
      good = gone && victim.termed() && !victim.killed();
      break;
    case v1::VERDICT_KILLED:
      good = gone && victim.killed();
      break;
    case v1::VERDICT_UNKILLABLE:
      good = (!gone || Misbound(*proc) || host_->now() - proc->died < Ms(settings_.exit_lag)) &&
             victim.killed() && host_->now() - victim.kill_at >= kPatience;
      victim.unkillable = true;
      victim.waited = Nanos(0);
      break;
    case v1::VERDICT_RECOVERED: {
      const Heart* heart = HeartOf(event.incarnation().generation());
      good = !victim.termed() && (heart == nullptr || heart->closed || !StillDue(*heart) ||
                                  DueFor(*heart) != event.symptom());
      break;
    }
    case v1::VERDICT_IDENTITY_MISMATCH:
      good = Misbound(*proc) || (!proc->alive && !proc->listed);
      break;
    case v1::VERDICT_HELD:
    case v1::VERDICT_REFUSED: {
      const Heart* heart = HeartOf(event.incarnation().generation());
      good = !victim.termed() && (Reasons(*proc) != 0 || heart == nullptr || heart->observe);
      break;
    }
    default:
      good = false;
  }
  if (!good)
    Fail("I7 ", v1::Verdict_Name(event.verdict()), " over pid ", proc->identity.pid,
         " is not what was");
  if (event.verdict() != v1::VERDICT_UNKILLABLE) {
    if (!victim.termed()) {
      // While its grant was out the bucket filled up behind it.
      const Nanos late_before = kills_[event.kill()].late_before;
      late_when_full_ = std::min(late_when_full_, late_before);
      late_when_given_back_ = std::min(late_when_given_back_, late_before);
    }
    victim.held_by = v1::HELD_BY_UNSPECIFIED;
    victim.obliged = victim.withheld = Nanos(0);
  }
  bucket_idle_ = Nanos(0);
}

void Oracle::CheckOrderVerdict(const v1::Event& event) {
  const auto found = orders_.find(event.order_id());
  if (found == orders_.end()) return Fail("I7 a verdict for an order that nobody gave");
  OrderBook& book = found->second;
  (event.verdict() == v1::VERDICT_UNKILLABLE ? book.told_unkillable : book.answered) = true;
  switch (event.verdict()) {
    case v1::VERDICT_EXPIRED:
      if (!book.given.expired && !book.given.resent)
        Fail("I7 order ", event.order_id(), " is said to be late");
      break;
    case v1::VERDICT_UNKNOWN_AFTER_CRASH:
      if (!book.given.resent) Fail("I7 UNKNOWN_AFTER_CRASH and no crash");
      break;
    case v1::VERDICT_EXITED_ON_TERM:
    case v1::VERDICT_KILLED:
    case v1::VERDICT_UNKILLABLE:
    case v1::VERDICT_HELD:
      if (!book.valid) return Fail("I1 order ", event.order_id(), " was taken and is not valid");
      if (event.verdict() == v1::VERDICT_HELD) {
        const Heart* heart = HeartOf(book.given.generation);
        if (Reasons(*book.given.target) == 0 && heart != nullptr && !heart->observe)
          Fail("I7 order ", event.order_id(), " is said to be held, and nothing holds it");
      } else {
        CheckVerdict(event);
      }
      break;
    case v1::VERDICT_RECOVERED:
      Fail("I3 order ", event.order_id(), " is undone by a beat");
      break;
    default:
      break;
  }
}

void Oracle::Committed() {
  for (const v1::Event& event : unsafe_events_) {
    if (event.kind() == v1::EVENT_KIND_TERM_SENT || event.kind() == v1::EVENT_KIND_KILL_SENT) {
      Victim& victim = VictimOf(*ProcOf(event));
      ++(event.kind() == v1::EVENT_KIND_TERM_SENT ? victim.term_events : victim.kill_events);
    } else if (event.kind() == v1::EVENT_KIND_EVIDENCE) {
      kills_[event.kill()].safe_evidence = true;
    } else if (event.kind() == v1::EVENT_KIND_HUNG) {
      hung_.insert(event.kill());
    } else if (event.kind() == v1::EVENT_KIND_VERDICT) {
      const bool last = event.verdict() != v1::VERDICT_UNKILLABLE;
      if (!last) VictimOf(*ProcOf(event)).safe_unkillable = true;
      if (event.order_id().empty()) {
        KillBook& book = kills_[event.kill()];
        ++(last ? book.verdicts : book.unkillables);
      } else {
        OrderBook& book = orders_[event.order_id()];
        ++(last ? book.verdicts : book.unkillables);
      }
    }
  }
  unsafe_events_.clear();
  safe_pause_ = pause_;
  safe_core_pause_ = core_pause_;
  if (!holds_changed_) return;
  holds_changed_ = false;
  for (auto& [generation, heart] : hearts_) heart.safe_hold_ends = heart.hold_ends;
}

void Oracle::TurnEnds(const node::Table& table) {
  for (const auto& [id, victim] : victims_) {
    if (victim.continue_due) Fail("I3 SIGTERM without SIGCONT");
    if (victim.intent && victim.kill != 0) Fail("I7 the intent of a signal is left behind");
  }
  for (const auto& [identity, process] : table.processes()) {
    if (process->slots.empty() && process->kill == nullptr)
      Fail("I5 pid ", identity.pid, " has neither slot nor kill and is still there");
  }
  if (puts_ > kPutsPerTurn + kPutsPerSlot * (table.slots().size() + table.processes().size()))
    Fail("I5 ", puts_, " records in one turn");
  puts_ = 0;
}

}  // namespace procctl::sim
