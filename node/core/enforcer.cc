#include "node/core/enforcer.h"

#include <signal.h>

#include <algorithm>
#include <utility>

#include "node/core/headroom.h"
#include "node/core/kill_words.h"
#include "node/core/page_text.h"
#include "proto/support/duration_text.h"
#include "proto/support/escape.h"
#include "proto/support/time_convert.h"
#include "spdlog/fmt/fmt.h"

namespace procctl::node {
namespace {

constexpr Nanos kRecheckHeld = std::chrono::seconds(1);
constexpr int kMostOtherHearts = 16;
constexpr int64_t kNearMissBurst = 20;
constexpr Nanos kNearMissWindow = std::chrono::seconds(60);

void SetOrder(const OrderRef& order, v1::Event* event) {
  event->set_order_id(order.id);
  event->set_issuer(order.issuer);
  event->set_reason(order.reason);
}

bool IsBrake(v1::HeldBy by) { return by == v1::HELD_BY_BUCKET || by == v1::HELD_BY_COMMON_CAUSE; }

}  // namespace

Enforcer::Enforcer(Table* table, EnforcerWorld world, EnforcerSettings settings, int64_t first_kill)
    : table_(table),
      clocks_(world.clocks),
      events_(world.events),
      journal_(world.journal),
      evidence_(world.evidence),
      refresh_(std::move(world.refresh)),
      ending_(std::move(world.ending)),
      policy_(std::move(settings.policy)),
      min_timeout_(settings.min_timeout),
      watch_rules_(settings.watch),
      watch_(table, settings.watch),
      brake_(settings.brakes),
      guard_(settings.watch.interval, clocks_->Read().mono, clocks_->Read().suspended),
      near_miss_limit_(kNearMissBurst, kNearMissWindow),
      next_kill_(first_kill) {}

void Enforcer::Scan() {
  const ClockReading clocks = clocks_->Read();
  const ScanVerdict scan = guard_.Scan(clocks.mono, clocks.suspended);
  lag_.Note(scan.lag, clocks.mono);
  if (scan.gap) RecordGap(scan);
  // First read every heart, then judge: a client that beat while we were busy must not die for our
  // slowness.
  watch_.Scan(scan.credited, &findings_);
  for (const int64_t generation : findings_.closed) {
    if (Slot* slot = table_->FindSlot(generation)) OnClosed(*slot);
  }
  for (const int64_t generation : findings_.changed) {
    if (const Slot* slot = table_->FindSlot(generation)) table_->Changed(*slot);
  }
  ReportFindings(clocks.mono);
  EndHolds(clocks.since_boot());
  judged_at_.reset();
  if (!scan.may_judge) return;
  judged_at_ = clocks.mono;

  if (!findings_.due.empty() || brake_.common_cause()) ObserveSilence(clocks.mono);
  // Ladders that are under way first: what starts below has seen no time pass yet.
  const std::vector<ProcessIdentity> running(kills_.begin(), kills_.end());
  for (const ProcessIdentity& identity : running) {
    Process* process = table_->Find(identity);
    if (process == nullptr || process->kill == nullptr) continue;
    process->kill->ladder.Observe(scan.credited);
    Step(*process);
  }
  for (const int64_t generation : findings_.due) {
    Slot* slot = table_->FindSlot(generation);
    if (slot == nullptr) continue;
    Process& process = *slot->process;
    if (process.kill != nullptr && !DropIfShadows(process, *slot)) continue;
    const bool gave_up = table_->cell(*slot).judged == v1::SLOT_STATE_GAVE_UP;
    StartKill(*slot, gave_up ? v1::CAUSE_SELF_FAILED : v1::CAUSE_HEARTBEAT, slot->rules.grace,
              std::nullopt);
  }
}

bool Enforcer::DropIfShadows(Process& process, const Slot& slot) {
  const Kill& kill = *process.kill;
  const Slot* first = SlotOf(kill);
  const bool shadows = !kill.ladder.term_sent() && policy_.enforce && first != nullptr &&
                       first != &slot && first->rules.observe && !slot.rules.observe;
  if (!shadows) return false;
  Drop(process, v1::VERDICT_HELD, v1::REFUSAL_UNSPECIFIED,
       fmt::format("{} is only observed; another heart of the process, {}, is not",
                   Who(kill.subject), slot.label));
  return true;
}

void Enforcer::RecordGap(const ScanVerdict& scan) {
  v1::Event event;
  event.set_kind(scan.gap->suspend ? v1::EVENT_KIND_SUSPEND : v1::EVENT_KIND_STALL);
  event.set_severity(v1::SEVERITY_WARNING);
  event.set_message(
      fmt::format("{} for {}; nobody is judged until {} scans were on time",
                  scan.gap->suspend ? "the host was suspended" : "this guardian did not run",
                  Exact(scan.gap->length), ScanGuard::kCalmScans));
  *event.mutable_observed_gap() = ToProto(scan.gap->length);
  events_->Record(std::move(event));
}

void Enforcer::ReportFindings(MonoTime now) {
  for (const Findings::Gap& gap : findings_.near_misses) {
    const Slot* slot = table_->FindSlot(gap.generation);
    int64_t suppressed = 0;
    if (slot == nullptr || !near_miss_limit_.Allow(now, &suppressed)) continue;
    v1::Event event = SubjectOf(*slot);
    event.set_kind(v1::EVENT_KIND_NEAR_MISS);
    event.set_severity(v1::SEVERITY_WARNING);
    *event.mutable_silence() = ToProto(gap.length);
    event.set_message(fmt::format(
        "{} beat again after {}, limit {}{}", Who(event), Exact(gap.length),
        FormatDuration(slot->terms.timeout),
        suppressed == 0 ? ""
                        : fmt::format(" ({} more near misses were only counted)", suppressed)));
    events_->Record(std::move(event));
  }
  for (const int64_t generation : findings_.shadow) {
    const Slot* slot = table_->FindSlot(generation);
    if (slot == nullptr) continue;
    v1::Event event = SubjectOf(*slot);
    event.set_kind(v1::EVENT_KIND_WOULD_KILL);
    event.set_severity(v1::SEVERITY_WARNING);
    event.set_cause(v1::CAUSE_HEARTBEAT);
    event.set_symptom(v1::SYMPTOM_SILENT);
    event.set_message(fmt::format("{} would be stopped by the shadow timeout {} (in force: {})",
                                  Who(event), FormatDuration(slot->rules.shadow_timeout),
                                  FormatDuration(slot->terms.timeout)));
    *event.mutable_timeout() = ToProto(slot->rules.shadow_timeout);
    events_->Record(std::move(event));
  }
}

void Enforcer::ObserveSilence(MonoTime now) {
  const Brake::Answer answer =
      brake_.Observe(watch_.Census(brake_.policy().window, brake_.policy().least), now);
  if (answer.alarm.empty() && answer.relief.empty()) return;
  if (!answer.alarm.empty()) {
    // Whoever was granted a moment ago and waits for its evidence is part of it.
    for (const ProcessIdentity& identity : kills_) {
      Process* process = table_->Find(identity);
      if (process == nullptr || process->kill == nullptr) continue;
      if (GiveBack(*process->kill, now)) Write(*process, false);
    }
  }
  v1::Event event;
  event.set_kind(v1::EVENT_KIND_BRAKE);
  event.set_held_by(v1::HELD_BY_COMMON_CAUSE);
  event.set_severity(answer.alarm.empty() ? v1::SEVERITY_INFO : v1::SEVERITY_ALARM);
  event.set_message(answer.alarm.empty() ? answer.relief : answer.alarm);
  WriteBrakes(now);
  events_->Record(std::move(event));
}

void Enforcer::EndHolds(Nanos since_boot) {
  for (auto it = holds_.begin(); it != holds_.end();) {
    Slot* slot = table_->FindSlot(*it);
    if (slot != nullptr && slot->hold && since_boot < slot->hold->ends) {
      ++it;
      continue;
    }
    if (slot != nullptr && slot->hold) {
      v1::Event event = SubjectOf(*slot);
      event.set_kind(v1::EVENT_KIND_HOLD_ENDED);
      event.set_severity(v1::SEVERITY_INFO);
      event.set_message(fmt::format("the hold of {} by {} ran out", Who(event), slot->hold->owner));
      table_->SetHold(*slot, std::nullopt);
      if (slot->process->kill != nullptr) slot->process->kill->recheck_at = MonoTime();
      events_->Record(std::move(event));
    }
    it = holds_.erase(it);
  }
}

void Enforcer::PlaceHold(Slot& slot, const OrderRef& order, Nanos hold_for,
                         std::chrono::system_clock::time_point wall_now) {
  const auto until =
      wall_now + std::chrono::duration_cast<std::chrono::system_clock::duration>(hold_for);
  table_->SetHold(slot, OperatorHold{order.issuer, order.reason,
                                     clocks_->Read().since_boot() + hold_for, until});
  holds_.insert(slot.generation);
  v1::Event event = SubjectOf(slot);
  event.set_kind(v1::EVENT_KIND_HOLD_PLACED);
  event.set_severity(v1::SEVERITY_INFO);
  SetOrder(order, &event);
  *event.mutable_hold_until() = ToProto(until);
  event.set_message(fmt::format("{} is held for {} by {}: {}", Who(event), FormatDuration(hold_for),
                                order.issuer, order.reason));
  events_->Record(std::move(event));
}

void Enforcer::ReleaseHold(Slot& slot, const OrderRef& order) {
  const bool was_held = slot.hold.has_value();
  if (was_held) table_->SetHold(slot, std::nullopt);
  holds_.erase(slot.generation);
  // A kill that waited for it goes on with the next scan, not a second later.
  if (slot.process->kill != nullptr) slot.process->kill->recheck_at = MonoTime();
  v1::Event event = SubjectOf(slot);
  event.set_kind(v1::EVENT_KIND_HOLD_ENDED);
  event.set_severity(v1::SEVERITY_INFO);
  SetOrder(order, &event);
  event.set_message(was_held ? fmt::format("{} was released by {}", Who(event), order.issuer)
                             : fmt::format("{} was not held", Who(event)));
  events_->Record(std::move(event));
}

void Enforcer::Execute(Slot& slot, OrderRef order, Nanos grace) {
  Process& process = *slot.process;
  if (process.kill == nullptr || DropIfShadows(process, slot)) {
    StartKill(slot, v1::CAUSE_OPERATOR, grace, std::move(order));
    return;
  }
  Kill& kill = *process.kill;
  if (slot.rules.observe && !kill.ladder.term_sent()) {
    // It would let a kill of another heart of the process pass the brakes.
    EndOrder(order, SubjectOf(slot), v1::VERDICT_HELD, v1::REFUSAL_UNSPECIFIED,
             fmt::format("{} was not signalled: a rule says to observe it only", slot.label),
             v1::HELD_BY_OBSERVE);
    return;
  }
  if (kill.orders.size() >= Kill::kMostOrders) {
    EndOrder(
        order, SubjectOf(slot), v1::VERDICT_REFUSED, v1::REFUSAL_MALFORMED,
        fmt::format("{} orders wait for the end of {} already", kill.orders.size(), slot.label));
    return;
  }
  if (kill.declared_unkillable) {
    v1::Event event = VerdictOf(kill, v1::VERDICT_UNKILLABLE, v1::REFUSAL_UNSPECIFIED,
                                fmt::format("{} does not end on SIGKILL", Who(kill.subject)));
    SetOrder(order, &event);
    kill.orders.push_back(std::move(order));
    Write(process, false);
    events_->Record(std::move(event));
    return;
  }
  kill.orders.push_back(std::move(order));
  Write(process, false);
  // Whoever orders it does not wait for what the guard itself would wait for.
  if (!kill.ladder.term_sent()) {
    kill.recheck_at = MonoTime();
    Step(process);
  }
}

void Enforcer::Stop(Slot& slot, v1::Cause cause, Nanos grace, const OrderRef& by) {
  Process& process = *slot.process;
  if (process.kill != nullptr) {
    // A hang that is withheld does not keep from ending what is to end anyway.
    if (process.kill->ladder.term_sent() || !process.kill->of_heart()) return;
    Drop(process, v1::VERDICT_HELD, v1::REFUSAL_UNSPECIFIED,
         fmt::format("{} is stopped for another reason", Who(process.kill->subject)));
  }
  StartKill(slot, cause, grace, std::nullopt, by);
}

void Enforcer::StartKill(Slot& slot, v1::Cause cause, Nanos grace, std::optional<OrderRef> order,
                         const OrderRef& by) {
  Process& process = *slot.process;
  const HeartCell& cell = table_->cell(slot);
  v1::Event subject = SubjectOf(slot);
  subject.set_cause(cause);
  subject.set_kill(next_kill_++);
  subject.set_issuer(by.issuer);
  subject.set_reason(by.reason);
  const bool hangs = cause == v1::CAUSE_HEARTBEAT || cause == v1::CAUSE_SELF_FAILED;
  if (hangs) {
    const v1::Symptom symptom = SymptomOf(cell);
    subject.set_symptom(symptom);
    *subject.mutable_silence() = ToProto(SilenceOf(cell, symptom));
    *subject.mutable_timeout() = ToProto(LimitOf(cell, symptom));
  }
  if (order) SetOrder(*order, &subject);
  process.kill = std::make_unique<Kill>(grace, std::move(subject));
  if (order) process.kill->orders.push_back(*std::move(order));
  kills_.insert(process.identity());
  Write(process, false);
  if (hangs) {
    RecordProgress(
        *process.kill, v1::EVENT_KIND_HUNG,
        fmt::format("{} hangs: {}", Who(process.kill->subject), Why(process.kill->subject)));
  }
  Step(process);
}

Slot* Enforcer::SlotOf(const Kill& kill) {
  return table_->FindSlot(kill.subject.incarnation().generation());
}

void Enforcer::Step(Process& process) {
  Kill& kill = *process.kill;
  if (Recovered(process)) {
    Drop(process, v1::VERDICT_RECOVERED, v1::REFUSAL_UNSPECIFIED,
         fmt::format("{} is well again ({}); not signalled", Who(kill.subject), Why(kill.subject)));
    // Its slots may be gone: given back, or never taken up again after a crash.
    table_->Settle(process);
    return;
  }
  const MonoTime now = Now();
  const LadderStep due = kill.ladder.Due(now);
  if (due == LadderStep::kNone) return;
  if (due == LadderStep::kDeclareUnkillable) {
    kill.ladder.DeclaredUnkillable(now);
    kill.declared_unkillable = true;
    Write(process, false);
    RecordVerdict(
        kill, v1::VERDICT_UNKILLABLE, v1::REFUSAL_UNSPECIFIED,
        fmt::format(
            "{} is still there {} after SIGKILL (uninterruptible sleep?); tried again every {}",
            Who(kill.subject), FormatDuration(Ladder::kKillPatience),
            FormatDuration(Ladder::kRetryEvery)));
    table_->Changed(process);
    return;
  }
  if (!PassGates(process, now)) return;
  if (due == LadderStep::kSendTerm) {
    SendTerm(process);
  } else {
    SendKill(process);
  }
}

bool Enforcer::Recovered(const Process& process) {
  const Kill& kill = *process.kill;
  // What an operator ordered does not become undone by a beat.
  if (kill.ladder.term_sent() || !kill.orders.empty() || !kill.of_heart()) return false;
  const Slot* slot = SlotOf(kill);
  if (slot == nullptr) return true;
  // Read once more, right here: what was read at the start of the scan may be milliseconds old.
  if (refresh_) refresh_(*slot);
  return !StillDue(table_->cell(*slot), kill.subject.symptom());
}

bool Enforcer::PassGates(Process& process, MonoTime now) {
  Kill& kill = *process.kill;
  if (std::optional<Withheld> hold = AskOperatorHold(process)) {
    Withhold(process, *std::move(hold), now);
    return false;
  }
  const bool first = !kill.ladder.term_sent();
  // While it is held nothing of it is read more than once a second. A brake costs nothing to ask.
  if (kill.held() && now < kill.recheck_at && !IsBrake(kill.held_by)) return false;
  const bool careful = first && kill.orders.empty() && kill.of_heart();
  if (careful && !kill.granted && IsBrake(kill.held_by) && !brake_.WouldGrant(now)) {
    return false;
  }
  const SignalAnswer answer =
      MaySignal(process.identity(), process.uid, process.target->Facts(), policy_);
  switch (answer.permission) {
    case Permission::kAllowed:
      break;
    case Permission::kGone:
      OnExit(process);
      return false;
    case Permission::kMismatch:
      // The pidfd would have said so by now; that the pid is somebody else's while it does not is
      // beyond doubt worth a record.
      RecordVerdict(kill, v1::VERDICT_IDENTITY_MISMATCH, v1::REFUSAL_UNSPECIFIED,
                    fmt::format("{}: {}", Who(kill.subject), answer.reason));
      Forget(kill, process.identity());
      table_->RemoveProcess(process);
      return false;
    case Permission::kHold:
    case Permission::kRefused:
      Withhold(process, {answer.held_by, answer.refusal, answer.reason}, now);
      return false;
  }
  if (const Slot* slot = SlotOf(kill); first && slot != nullptr && slot->rules.observe) {
    Withhold(process,
             {v1::HELD_BY_OBSERVE, v1::REFUSAL_UNSPECIFIED, "a rule says to observe it only"}, now);
    return false;
  }
  if (careful && !process.canary && !AskBrakes(process, now)) return false;
  // Whether the kernel still refuses is known only once it does not.
  if (kill.held_by != v1::HELD_BY_KERNEL) LiftHold(process);
  if (careful && !AskEvidence(process)) return false;
  // Reading what the kernel says took a moment in which it may have beaten.
  if (!Recovered(process)) return true;
  Drop(process, v1::VERDICT_RECOVERED, v1::REFUSAL_UNSPECIFIED,
       fmt::format("{} is well again ({}); not signalled", Who(kill.subject), Why(kill.subject)));
  return false;
}

std::optional<Enforcer::Withheld> Enforcer::AskOperatorHold(const Process& process) const {
  if (holds_.empty()) return std::nullopt;
  const Nanos since_boot = clocks_->Read().since_boot();
  for (const Slot* slot : process.slots) {
    // One that ran out is cleared with the next scan.
    if (!slot->hold || since_boot >= slot->hold->ends) continue;
    return Withheld{
        v1::HELD_BY_OPERATOR, v1::REFUSAL_UNSPECIFIED,
        fmt::format("{} holds {}: {}", slot->hold->owner, slot->label, slot->hold->reason)};
  }
  return std::nullopt;
}

bool Enforcer::AskBrakes(Process& process, MonoTime now) {
  Kill& kill = *process.kill;
  if (kill.granted) return true;
  const Brake::Answer answer = brake_.Ask(now, kill.number());
  if (!answer.granted) {
    Withhold(process, {answer.held_by, v1::REFUSAL_UNSPECIFIED, answer.reason}, now);
    return false;
  }
  kill.granted = true;
  WriteBrakes(now);
  Write(process, false);
  return true;
}

bool Enforcer::AskEvidence(Process& process) {
  Kill& kill = *process.kill;
  if (kill.evidence == Kill::Evidence::kNotAsked) {
    kill.evidence = Kill::Evidence::kAsked;
    evidence_->Ask(kill.number(), KnownEvidence(process));
  }
  return kill.evidence == Kill::Evidence::kDone;
}

bool Enforcer::GiveBack(Kill& kill, MonoTime now) {
  if (!kill.granted || kill.ladder.term_sent()) return false;
  kill.granted = false;
  brake_.Return(now, kill.number());
  WriteBrakes(now);
  return true;
}

EvidenceSubject Enforcer::KnownEvidence(const Process& process) const {
  EvidenceSubject subject;
  subject.process = process.identity();
  v1::Evidence& known = subject.known;
  const v1::Event& cause = process.kill->subject;
  known.set_heart(cause.slot());
  *known.mutable_silence() = cause.silence();
  *known.mutable_limit() = cause.timeout();
  for (const Slot* slot : process.slots) {
    const HeartCell& cell = table_->cell(*slot);
    if (slot->generation == cause.incarnation().generation()) {
      known.set_beats(cell.beats);
      known.set_progress(cell.progress);
      known.set_note(Escape(NoteOf(*slot->page)));
      known.set_phase(Escape(PhaseOf(*slot->page)));
      *known.mutable_headroom() =
          HeadroomOf(cell, table_->history(*slot), watch_rules_.interval, min_timeout_);
    } else if (known.other_hearts_size() < kMostOtherHearts) {
      v1::OtherHeart* other = known.add_other_hearts();
      other->set_label(slot->label);
      *other->mutable_silence() = ToProto(Nanos(cell.silence));
      *other->mutable_timeout() = ToProto(slot->terms.timeout);
    } else {
      known.set_other_hearts_left_out(known.other_hearts_left_out() + 1);
    }
  }
  *known.mutable_guardian_lag() = ToProto(lag_.last());
  *known.mutable_guardian_worst_lag() = ToProto(lag_.worst_of_minute());
  return subject;
}

void Enforcer::OnEvidence(int64_t number, v1::Evidence evidence) {
  for (const ProcessIdentity& identity : kills_) {
    Process* process = table_->Find(identity);
    if (process == nullptr || process->kill == nullptr || process->kill->number() != number)
      continue;
    Kill& kill = *process->kill;
    if (kill.evidence != Kill::Evidence::kAsked) return;
    kill.evidence = Kill::Evidence::kDone;
    Write(*process, false);
    v1::Event event = kill.subject;
    event.set_kind(v1::EVENT_KIND_EVIDENCE);
    event.set_severity(v1::SEVERITY_INFO);
    event.set_message(
        fmt::format("what was found about {} right before its first signal", Who(kill.subject)));
    *event.mutable_evidence() = std::move(evidence);
    events_->Record(std::move(event));
    // Goes on at once, unless this guardian was itself late since it last looked.
    if (judged_at_ && Now() - *judged_at_ <= ScanGuard::kCreditIntervals * watch_rules_.interval)
      Step(*process);
    return;
  }
}

void Enforcer::Withhold(Process& process, Withheld why, MonoTime now) {
  Kill& kill = *process.kill;
  kill.recheck_at = now + kRecheckHeld;
  if (GiveBack(kill, now)) Write(process, false);
  if (!kill.ladder.term_sent() && !kill.orders.empty()) {
    // A withheld kill does not keep an order waiting: its answer is that the target is held.
    const v1::Verdict verdict =
        why.refusal != v1::REFUSAL_UNSPECIFIED ? v1::VERDICT_REFUSED : v1::VERDICT_HELD;
    const std::string message =
        fmt::format("{} was not signalled: {}", Who(kill.subject), why.reason);
    if (kill.subject.cause() == v1::CAUSE_OPERATOR) {
      kill.held_by = why.by;
      Drop(process, verdict, why.refusal, message);
      return;
    }
    for (const OrderRef& order : kill.orders)
      EndOrder(order, kill.subject, verdict, why.refusal, message, why.by);
    kill.orders.clear();
    Write(process, false);
  }
  if (kill.held_by == why.by) return;
  const bool observed = why.by == v1::HELD_BY_OBSERVE;
  kill.held_by = why.by;
  kill.hold_reason = std::move(why.reason);
  RecordProgress(kill, observed ? v1::EVENT_KIND_WOULD_KILL : v1::EVENT_KIND_HELD,
                 observed ? fmt::format("{} would be stopped ({}), but {}", Who(kill.subject),
                                        Why(kill.subject), kill.hold_reason)
                          : fmt::format("{} should be stopped ({}) but is held: {}",
                                        Who(kill.subject), Why(kill.subject), kill.hold_reason));
  table_->Changed(process);
}

void Enforcer::LiftHold(Process& process) {
  Kill& kill = *process.kill;
  if (!kill.held()) return;
  kill.held_by = v1::HELD_BY_UNSPECIFIED;
  kill.hold_reason.clear();
  table_->Changed(process);
}

bool Enforcer::Send(Process& process, int signal) {
  // Written before it is sent: whoever takes over after a crash right here must not send it twice.
  Write(process, true);
  journal_->Commit();
  const Target::Outcome outcome = process.target->Signal(signal);
  if (outcome.sent == Target::Sent::kYes) {
    LiftHold(process);
    return true;
  }
  Write(process, false);
  if (outcome.sent == Target::Sent::kGone) {
    OnExit(process);
  } else {
    Withhold(process, {v1::HELD_BY_KERNEL, v1::REFUSAL_KERNEL, outcome.error}, Now());
  }
  return false;
}

void Enforcer::SendTerm(Process& process) {
  if (!Send(process, process.stop_signal)) return;
  // A stopped process acts on SIGTERM only once it runs again. It may be gone by now; its exit will
  // tell.
  (void)process.target->Signal(SIGCONT);
  Kill& kill = *process.kill;
  kill.ladder.TermSent(Now());
  Write(process, false);
  RecordProgress(
      kill, v1::EVENT_KIND_TERM_SENT,
      fmt::format("{} to {} ({}); SIGKILL in {}", SignalName(process.stop_signal),
                  Who(kill.subject), Why(kill.subject), FormatDuration(kill.ladder.grace())));
  table_->Changed(process);
}

void Enforcer::SendKill(Process& process) {
  if (!Send(process, SIGKILL)) return;
  Kill& kill = *process.kill;
  const MonoTime now = Now();
  kill.ladder.KillSent(now);
  Write(process, false);
  RecordProgress(kill, v1::EVENT_KIND_KILL_SENT,
                 fmt::format("SIGKILL to {}: still there {} after SIGTERM", Who(kill.subject),
                             Exact(now - kill.ladder.first_signal())));
  table_->Changed(process);
}

void Enforcer::OnExit(Process& process) {
  if (ending_) ending_(process);
  if (process.kill != nullptr) {
    Kill& kill = *process.kill;
    (void)GiveBack(kill, Now());
    const v1::Verdict verdict = kill.ladder.EndVerdict();
    std::string how = "had ended before any signal";
    if (kill.ladder.term_sent()) {
      how = fmt::format("gone {} after SIGTERM{}", Exact(Now() - kill.ladder.first_signal()),
                        kill.ladder.kill_sent() ? ", on SIGKILL" : "");
    }
    RecordVerdict(kill, verdict, v1::REFUSAL_UNSPECIFIED,
                  fmt::format("{} ({}): {}", Who(kill.subject), Why(kill.subject), how));
    Forget(kill, process.identity());
  } else if (!process.slots.empty() && process.program.empty()) {
    v1::Event event = SubjectOf(*process.slots.front());
    event.set_kind(v1::EVENT_KIND_PROCESS_GONE);
    event.set_severity(v1::SEVERITY_INFO);
    event.set_message(fmt::format("{} ended by itself; {} {} cleared", Who(event),
                                  process.slots.size(),
                                  process.slots.size() == 1 ? "slot" : "slots"));
    events_->Record(std::move(event));
  }
  table_->RemoveProcess(process);
}

void Enforcer::OnClosed(Slot& slot) {
  Process& process = *slot.process;
  if (process.kill != nullptr && process.kill->ladder.term_sent()) return;
  if (process.kill != nullptr &&
      process.kill->subject.incarnation().generation() == slot.generation) {
    Drop(process, v1::VERDICT_RECOVERED, v1::REFUSAL_UNSPECIFIED,
         fmt::format("{} gave its slot back; not signalled", Who(process.kill->subject)));
  }
  v1::Event event = SubjectOf(slot);
  event.set_kind(v1::EVENT_KIND_SLOT_CLOSED);
  event.set_severity(v1::SEVERITY_INFO);
  event.set_message(fmt::format("{} gave its slot back", Who(event)));
  events_->Record(std::move(event));
  table_->RemoveSlot(slot);
  table_->Settle(process);
}

void Enforcer::EndOrder(const OrderRef& order, v1::Event subject, v1::Verdict verdict,
                        v1::Refusal refusal, std::string message, v1::HeldBy held_by) {
  subject.set_kind(v1::EVENT_KIND_VERDICT);
  subject.set_severity(verdict == v1::VERDICT_REFUSED ? v1::SEVERITY_WARNING : v1::SEVERITY_INFO);
  subject.set_cause(v1::CAUSE_OPERATOR);
  subject.clear_symptom();
  // Not the end of that kill, if there is one: only of this order.
  subject.clear_kill();
  subject.set_verdict(verdict);
  subject.set_refusal(refusal);
  subject.set_held_by(held_by);
  subject.set_message(std::move(message));
  SetOrder(order, &subject);
  events_->Record(std::move(subject));
}

void Enforcer::ResumeKill(Process& process, const v1::KillRecord& record) {
  const MonoTime now = Now();
  process.kill = std::make_unique<Kill>(KillFrom(record, now));
  kills_.insert(process.identity());
  Write(process, false);
  if (record.intent()) RecordCounted(*process.kill, record);
}

void Enforcer::RecordCounted(const Kill& kill, const v1::KillRecord& record) {
  const bool term = record.stage() == v1::KillRecord::STAGE_DUE;
  RecordProgress(kill, term ? v1::EVENT_KIND_TERM_SENT : v1::EVENT_KIND_KILL_SENT,
                 fmt::format("{} to {}: a guardian was killed while it sent it; counted as sent",
                             term ? "SIGTERM" : "SIGKILL", Who(kill.subject)));
}

void Enforcer::EndLostKill(const v1::KillRecord& record, v1::Verdict verdict,
                           const std::string& message) {
  const Kill kill = KillFrom(record, Now());
  if (record.intent()) RecordCounted(kill, record);
  RecordVerdict(kill, verdict == v1::VERDICT_UNSPECIFIED ? kill.ladder.EndVerdict() : verdict,
                v1::REFUSAL_UNSPECIFIED, fmt::format("{}: {}", Who(kill.subject), message));
  v1::StateRecord over;
  over.set_kill_over(kill.number());
  journal_->Put(std::move(over));
}

void Enforcer::Drop(Process& process, v1::Verdict verdict, v1::Refusal refusal,
                    const std::string& message) {
  // Held until the end: the message may be made of what the kill holds.
  const std::unique_ptr<Kill> kill = std::move(process.kill);
  (void)GiveBack(*kill, Now());
  RecordVerdict(*kill, verdict, refusal, message);
  Forget(*kill, process.identity());
  table_->Changed(process);
}

void Enforcer::Forget(const Kill& kill, const ProcessIdentity& identity) {
  kills_.erase(identity);
  v1::StateRecord over;
  over.set_kill_over(kill.number());
  journal_->Put(std::move(over));
}

v1::Event Enforcer::VerdictOf(const Kill& kill, v1::Verdict verdict, v1::Refusal refusal,
                              const std::string& message) const {
  v1::Event event = kill.subject;
  event.set_kind(v1::EVENT_KIND_VERDICT);
  event.set_severity(verdict == v1::VERDICT_UNKILLABLE || verdict == v1::VERDICT_IDENTITY_MISMATCH
                         ? v1::SEVERITY_ALARM
                         : v1::SEVERITY_WARNING);
  event.set_verdict(verdict);
  event.set_refusal(refusal);
  if (verdict == v1::VERDICT_HELD || verdict == v1::VERDICT_REFUSED)
    event.set_held_by(kill.held_by);
  event.set_message(message);
  event.set_term_sent(kill.ladder.term_sent());
  event.set_kill_sent(kill.ladder.kill_sent());
  if (kill.ladder.term_sent()) *event.mutable_took() = ToProto(Now() - kill.ladder.first_signal());
  return event;
}

void Enforcer::RecordVerdict(const Kill& kill, v1::Verdict verdict, v1::Refusal refusal,
                             const std::string& message) {
  v1::Event event = VerdictOf(kill, verdict, refusal, message);
  // A kill that no order began has a verdict of its own; every order has one in any case.
  if (kill.subject.order_id().empty()) events_->Record(event);
  for (const OrderRef& order : kill.orders) {
    SetOrder(order, &event);
    events_->Record(event);
  }
}

void Enforcer::RecordProgress(const Kill& kill, v1::EventKind kind, const std::string& message) {
  v1::Event event = kill.subject;
  event.set_kind(kind);
  event.set_severity(v1::SEVERITY_WARNING);
  event.set_held_by(kill.held_by);
  event.set_message(message);
  event.set_term_sent(kill.ladder.term_sent());
  event.set_kill_sent(kill.ladder.kill_sent());
  if (kill.ladder.term_sent()) *event.mutable_took() = ToProto(Now() - kill.ladder.first_signal());
  events_->Record(std::move(event));
}

void Enforcer::Write(const Process& process, bool intent) {
  v1::StateRecord record;
  *record.mutable_kill() = RecordOf(*process.kill, process.identity(), process.uid, intent);
  journal_->Put(std::move(record));
}

void Enforcer::WriteBrakes(MonoTime now) {
  v1::StateRecord record;
  *record.mutable_brake() = brake_.Record(now);
  journal_->Put(std::move(record));
}

v1::Event Enforcer::SubjectOf(const Slot& slot) const {
  v1::Event event;
  event.set_slot(slot.label);
  event.set_name(slot.name);
  *event.mutable_incarnation() = table_->IncarnationOf(slot);
  event.set_door(slot.door);
  *event.mutable_silence() = ToProto(Nanos(table_->cell(slot).silence));
  *event.mutable_timeout() = ToProto(slot.terms.timeout);
  event.set_program(slot.process->program);
  event.set_run(slot.process->run);
  return event;
}

v1::SlotDetail Enforcer::DetailOf(const Slot& slot) const {
  const HeartCell& cell = table_->cell(slot);
  const HeartHistory& history = table_->history(slot);
  v1::SlotDetail detail;
  *detail.mutable_slot() = table_->Row(slot);
  *detail.mutable_headroom() = HeadroomOf(cell, history, watch_rules_.interval, min_timeout_);
  if (slot.rules.shadow_timeout > Nanos(0)) {
    *detail.mutable_shadow_timeout() = ToProto(slot.rules.shadow_timeout);
    detail.set_shadow_kills(history.shadow_kills);
  }
  detail.set_busy_count(history.busy_count);
  detail.set_busy_cut(history.busy_cut);
  detail.set_beats(cell.beats);
  detail.set_progress(cell.progress);
  if (slot.process->kill != nullptr) detail.set_kill(slot.process->kill->number());
  return detail;
}

void Enforcer::FillDetail(v1::NodeDetail* detail) const {
  const MonoTime now = Now();
  *detail->mutable_scan_interval() = ToProto(watch_rules_.interval);
  *detail->mutable_lag() = ToProto(lag_.last());
  *detail->mutable_worst_lag_minute() = ToProto(lag_.worst_of_minute());
  *detail->mutable_worst_lag() = ToProto(lag_.worst());
  v1::Brakes* brakes = detail->mutable_brakes();
  brakes->set_tokens(brake_.tokens(now));
  brakes->set_burst(brake_.policy().burst);
  brakes->set_per_minute(brake_.policy().per_minute);
  brakes->set_common_cause(brake_.common_cause());
  if (brake_.common_cause()) *brakes->mutable_pause_left() = ToProto(brake_.pause_left(now));
  for (const ProcessIdentity& identity : kills_) {
    const Process* process = table_->Find(identity);
    if (process == nullptr || process->kill == nullptr) continue;
    if (process->kill->held_by == v1::HELD_BY_BUCKET)
      brakes->set_held_by_bucket(brakes->held_by_bucket() + 1);
    if (process->kill->held_by == v1::HELD_BY_COMMON_CAUSE)
      brakes->set_held_by_common_cause(brakes->held_by_common_cause() + 1);
  }
  detail->set_slots(static_cast<int32_t>(table_->slots().size()));
  detail->set_processes(static_cast<int32_t>(table_->processes().size()));
  detail->set_kills_under_way(static_cast<int32_t>(kills_.size()));
}

}  // namespace procctl::node
