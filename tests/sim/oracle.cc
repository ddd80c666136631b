#include "tests/sim/oracle.h"

#include <signal.h>

#include <algorithm>
#include <set>
#include <sstream>
#include <utility>

#include "proto/support/time_convert.h"

namespace procctl::sim {
namespace {

constexpr int64_t kCreditedAtMost = 2;
constexpr int64_t kStall = 5;
constexpr int kCalm = 5;
constexpr Nanos kSuspendNoise = std::chrono::milliseconds(20);
constexpr Nanos kUnclaimed = std::chrono::seconds(5);
constexpr Nanos kEvidence = std::chrono::milliseconds(200);
constexpr Nanos kRecheck = std::chrono::milliseconds(1100);
constexpr Nanos kPatience = std::chrono::seconds(10);
constexpr Nanos kRetry = std::chrono::seconds(60);
constexpr int kLeastTogether = 3;
constexpr Nanos kWindow = std::chrono::seconds(10);
// Records that one turn may add for each slot, and for the rest.
constexpr size_t kPutsPerSlot = 16;
constexpr size_t kPutsPerTurn = 64;

constexpr uint32_t Bit(v1::HeldBy by) { return 1U << static_cast<unsigned>(by); }

constexpr uint32_t kBrakes = Bit(v1::HELD_BY_BUCKET) | Bit(v1::HELD_BY_COMMON_CAUSE);

}  // namespace

Oracle::Oracle(const Host* host, const Settings& settings)
    : host_(host), settings_(settings), tokens_(static_cast<double>(settings.burst)) {}

template <typename... Parts>
void Oracle::Fail(const Parts&... parts) {
  if (!violation_.empty()) return;
  std::ostringstream out;
  out << "at "
      << std::chrono::duration<double>(host_->now() - Nanos(std::chrono::seconds(1000))).count()
      << "s: ";
  (out << ... << parts);
  violation_ = out.str();
}

const Oracle::Heart* Oracle::HeartOf(int64_t generation) const {
  const auto found = hearts_.find(generation);
  return found == hearts_.end() || found->second.gone ? nullptr : &found->second;
}

bool Oracle::Misbound(const Proc& proc) const {
  if (!proc.naked || proc.listed) return false;
  for (const auto& other : host_->all()) {
    if (other->listed && other->identity.pid == proc.identity.pid) return true;
  }
  return false;
}

const Proc* Oracle::ProcOf(const v1::Event& event) const {
  for (const auto& proc : host_->all()) {
    if (proc->identity.pid == event.incarnation().pid() &&
        proc->identity.start_ticks == event.incarnation().start_ticks())
      return proc.get();
  }
  return nullptr;
}

// ------------------------------------------------------------------ what the world does

void Oracle::Bound(const Proc& proc, int64_t uid) {
  Victim& victim = VictimOf(proc);
  // A guardian that takes over goes by what an earlier one bound.
  if (!victim.guarded) victim.registered_uid = uid;
  victim.guarded = true;
}

void Oracle::Forgotten(const Proc& proc) { VictimOf(proc).guarded = false; }

void Oracle::Restart(Heart& heart) {
  heart.beats = heart.page->beats;
  heart.progress = heart.page->progress;
  heart.busy_seen = 0;
  heart.flags = 0;
  heart.silence = heart.progress_silence = heart.gap_ended = Nanos(0);
  heart.mode = heart.start_grace > Nanos(0) ? Mode::kStarting : Mode::kPlain;
  heart.closed = heart.shadow_told = false;
}

void Oracle::Registered(const node::Slot& slot, const Proc& proc, const Beater& beater) {
  Heart& heart = hearts_[slot.generation];
  heart.proc = &proc;
  heart.page = beater.page;
  heart.timeout = slot.terms.timeout;
  heart.progress_limit = slot.terms.progress_limit;
  heart.start_grace = slot.terms.start_grace;
  heart.observe = beater.name == kWatched;
  heart.shadow = beater.name == kShadowed ? Ms(settings_.shadow) : Nanos(0);
  heart.gone = heart.torn = false;
  Restart(heart);
}

void Oracle::Torn(const node::Slot& slot) { hearts_[slot.generation].torn = true; }

void Oracle::HoldPlaced(int64_t generation, Nanos ends) {
  hearts_[generation].hold_ends = ends;
  holds_changed_ = true;
}

void Oracle::HoldReleased(int64_t generation) {
  hearts_[generation].hold_ends.reset();
  holds_changed_ = true;
}

bool Oracle::IsGuarded(const Proc& proc, int64_t generation) const {
  const Heart* heart = HeartOf(generation);
  return heart != nullptr && heart->proc == &proc && proc.alive;
}

void Oracle::ReleaseDone(const Proc& proc) {
  // What waited for a release does not wait a second more.
  Victim& victim = VictimOf(proc);
  victim.ever_withheld = false;
  victim.obliged = Nanos(0);
}

void Oracle::OrderGiven(const GivenOrder& order) {
  const auto [at, fresh] = orders_.try_emplace(order.id);
  OrderBook& book = at->second;
  // A repeat: must do nothing. One that the uplink sends again to a new guardian keeps what it was.
  if (!fresh) {
    book.given.resent |= order.resent;
    book.given.expired |= order.expired;
    return;
  }
  book.given = order;
  book.valid = order.target != nullptr && !order.expired && !order.resent &&
               IsGuarded(*order.target, order.generation) && !Misbound(*order.target);
}

void Oracle::OrderDone(const std::string& id) {
  const OrderBook& book = orders_[id];
  if (book.answered || book.verdicts > 0 || book.unkillables > 0) return;
  if (book.given.resent) return;
  if (!book.valid) return Fail("I7 order ", id, " could not be carried out and has no verdict");
  const Victim& victim = VictimOf(*book.given.target);
  if (victim.unkillable && !book.told_unkillable)
    return Fail("I7 order ", id, " is not told that its target is unkillable");
  if (!victim.termed()) Fail("I3 order ", id, " was neither carried out at once nor answered");
}

bool Oracle::OrderAnswered(const std::string& id) const {
  const auto found = orders_.find(id);
  return found != orders_.end() && found->second.verdicts + found->second.unkillables > 0;
}

// ------------------------------------------------------------------ the scan

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

// ------------------------------------------------------------------ signals

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
  if (tokens_ >= static_cast<double>(settings_.burst)) late_when_full_ = late_before;
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

// ------------------------------------------------------------------ journal and events

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

// ------------------------------------------------------------------ crashes

void Oracle::Crashed() {
  ever_crashed_ = true;
  unsafe_events_.clear();
  bucket_idle_ = pause_idle_ = Nanos(0);
  pause_ = safe_pause_;
  core_pause_ = safe_core_pause_;
  holds_changed_ = false;
  for (auto& [generation, heart] : hearts_) heart.hold_ends = heart.safe_hold_ends;
  for (auto& [id, book] : orders_) {
    book.answered = book.verdicts > 0;
    book.told_unkillable = book.unkillables > 0;
  }
  for (auto& [number, book] : kills_) book.evidence = book.safe_evidence;
  for (auto& [id, victim] : victims_) {
    victim.continue_due = false;
    victim.kill = 0;
    victim.held_by = v1::HELD_BY_UNSPECIFIED;
    victim.waited = victim.obliged = victim.withheld = Nanos(0);
    victim.intent = false;
    // What was said and is not safe was said in vain.
    victim.unkillable = victim.safe_unkillable;
  }
  looked_ = true;
  puts_ = 0;
}

void Oracle::TakenUp(const node::Table& table, bool board_kept, const PageOf& page_of) {
  for (auto& [id, victim] : victims_)
    victim.guarded = table.processes().contains(host_->all()[id]->identity);
  for (auto& [generation, heart] : hearts_) {
    const auto found = table.slots().find(generation);
    if (found == table.slots().end()) {
      heart.gone = true;
      continue;
    }
    const node::Slot& slot = *found->second;
    // What the board says of another registration than the journal's is not believed.
    const std::shared_ptr<const procctl_page> page = page_of(slot);
    const bool torn = std::exchange(heart.torn, false) || heart.page != page;
    heart.page = page;
    heart.timeout = slot.terms.timeout;
    heart.progress_limit = slot.terms.progress_limit;
    heart.start_grace = slot.terms.start_grace;
    if (!board_kept || heart.gone || torn) Restart(heart);
    heart.gone = false;
  }
}

void Oracle::Finish(const node::Table& table) {
  if (!table.slots().empty() || !table.processes().empty())
    Fail("I5 everybody is dead and the table is not empty");
  for (const int64_t number : hung_) {
    const KillBook& book = kills_[number];
    if (book.verdicts != 1) Fail("I7 kill ", number, " has ", book.verdicts, " verdicts");
    if (book.unkillables > 1) Fail("I7 kill ", number, " was declared unkillable twice");
  }
  for (const auto& [id, book] : orders_) {
    if (book.verdicts != 1) Fail("I7 order ", id, " has ", book.verdicts, " verdicts");
    if (book.unkillables > 1) Fail("I7 order ", id, " was declared unkillable twice");
  }
  for (const auto& [id, victim] : victims_) {
    const int terms = std::max(victim.terms, victim.term_counted ? 1 : 0);
    if (victim.term_events != terms)
      Fail("I7 ", victim.terms, " SIGTERM to pid ", host_->all()[id]->identity.pid, " and ",
           victim.term_events, " events");
    if (victim.kill_events < victim.kills ||
        (victim.kill_events > victim.kills && !victim.kill_counted))
      Fail("I7 ", victim.kills, " SIGKILL to pid ", host_->all()[id]->identity.pid, " and ",
           victim.kill_events, " events");
  }
}

}  // namespace procctl::sim
