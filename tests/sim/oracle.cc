// The oracle's books: who is guarded, what was ordered, what a crash leaves of it, and the closing.

#include "tests/sim/oracle.h"

#include <algorithm>
#include <utility>

#include "tests/sim/oracle_rules.h"

namespace procctl::sim {

Oracle::Oracle(const Host* host, const Settings& settings)
    : host_(host), settings_(settings), tokens_(static_cast<double>(settings.burst)) {}

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
