#include "tests/sim/guardian.h"

#include <cstring>
#include <utility>

#include "node/core/order_check.h"
#include "proto/support/time_convert.h"

namespace procctl::sim {
namespace {

constexpr size_t kCells = 24;

node::SlotRuleBook RulesOf(const Settings& settings) {
  node::SlotRules defaults;
  defaults.grace = Ms(settings.grace);
  defaults.max_busy = Ms(settings.max_busy);
  node::NamedRule watched;
  watched.name = kNames[kWatched];
  watched.observe = true;
  node::NamedRule shadowed;
  shadowed.name = "shadow*";
  shadowed.shadow_timeout = Ms(settings.shadow);
  return {defaults, {watched, shadowed}};
}

node::EnforcerSettings SettingsOf(const Settings& settings) {
  node::EnforcerSettings out;
  out.policy.enforce = settings.enforce != 0;
  out.policy.guardian_uid = settings.guardian_uid;
  out.policy.own_line = {kOwnLine};
  out.policy.protected_names = node::AlwaysProtected();
  out.policy.protected_names.insert("precious");
  out.brakes.burst = static_cast<int>(settings.burst);
  out.brakes.per_minute = static_cast<int>(settings.per_minute);
  out.brakes.common_cause = settings.common_cause != 0;
  out.brakes.pause = Ms(settings.pause);
  out.brakes.then_every = Ms(settings.then_every);
  out.watch.interval = Ms(settings.interval);
  return out;
}

// Rows of the classic table are copied when the guardian looks.
void Refresh(Proc& proc) {
  for (Beater& heart : proc.hearts) {
    if (heart.classic()) std::memcpy(heart.shown.get(), heart.page.get(), sizeof(procctl_page));
  }
}

}  // namespace

Board::Board() : cells(kCells), histories(kCells) {}

Guardian::Guardian(Host* host, Seams* seams, Board* board, const Settings& settings, int64_t epoch)
    : host_(host),
      seams_(seams),
      settings_(settings),
      table_(kBootId, RulesOf(settings), board->cells, board->histories, seams),
      enforcer_(&table_,
                {seams, seams, seams, seams,
                 [](const node::Slot& slot) {
                   Refresh(static_cast<const Handle&>(*slot.process->target).proc());
                 }},
                SettingsOf(settings), epoch * node::Table::kGenerationsPerEpoch) {
  table_.NumberFrom(epoch * node::Table::kGenerationsPerEpoch);
  table_.Listen({[](const node::Slot&) {}, [](const node::Slot&) {},
                 [this](node::Process& process) {
                   seams_->oracle().Forgotten(static_cast<const Handle&>(*process.target).proc());
                 }});
}

node::Slot* Guardian::Register(Proc& proc, node::Table::NewSlot what) {
  node::Process* process = table_.Find(proc.identity);
  if (process == nullptr) {
    process = &table_.AddProcess(std::make_unique<Handle>(host_, seams_, &proc), proc.uid);
    process->canary = proc.canary;
    seams_->oracle().Bound(proc, proc.uid);
  }
  node::Slot* slot = what.door == v1::DOOR_NATIVE ? table_.FindSlot(*process, what.name) : nullptr;
  if (slot != nullptr) {
    try {
      table_.TakeOver(*slot, what.terms, std::move(what.page), what.page_key);
    } catch (const GuardianKilled&) {
      seams_->oracle().Torn(*slot);
      throw;
    }
    return slot;
  }
  slot = table_.AddSlot(*process, std::move(what),
                        std::chrono::system_clock::time_point(host_->now()));
  if (slot == nullptr) table_.Settle(*process);
  return slot;
}

void Guardian::TakeOrder(const v1::LinkOrder& link_order) {
  const v1::Order& order = link_order.order();
  if (!node::HasOrderId(order) || !ledger_.Take(order.order_id())) return;
  v1::StateRecord taken;
  taken.set_order_taken(order.order_id());
  seams_->Put(std::move(taken));

  node::OrderRef ref{order.order_id(), order.issuer(), order.reason()};
  v1::Event subject;
  subject.set_slot(order.slot());
  *subject.mutable_incarnation() = order.incarnation();
  std::optional<node::OrderEnd> end = node::CheckShape(link_order, host_->Clock().since_boot());
  node::Slot* slot = nullptr;
  if (!end) {
    const v1::Incarnation& wanted = order.incarnation();
    const node::ProcessIdentity identity{wanted.pid(), wanted.start_ticks()};
    node::OrderFacts facts;
    facts.boot_id = kBootId;
    slot = table_.FindSlot(wanted.generation());
    facts.slot_matches = slot != nullptr && slot->process->identity() == identity;
    facts.process_guarded = table_.Find(identity) != nullptr;
    if (const Proc* found = host_->At(wanted.pid()); found != nullptr && found->alive)
      facts.start_ticks = found->identity.start_ticks;
    end = node::CheckTarget(link_order, facts);
  }
  if (end || slot == nullptr) {
    const node::OrderEnd why = end.value_or(node::OrderEnd());
    enforcer_.EndOrder(ref, std::move(subject), why.verdict, why.refusal, why.message);
    return;
  }
  enforcer_.Execute(*slot, std::move(ref), node::GraceOf(order, Ms(settings_.grace)));
}

void Guardian::CopyRows() {
  for (const auto& [identity, process] : table_.processes())
    Refresh(static_cast<const Handle&>(*process->target).proc());
}

void Guardian::ReapExits() {
  std::vector<node::ProcessIdentity> ended;
  for (const auto& [identity, process] : table_.processes()) {
    const Proc& proc = static_cast<const Handle&>(*process->target).proc();
    // Without a pidfd only an empty pid tells.
    const bool over = proc.naked
                          ? host_->At(identity.pid) == nullptr
                          : !proc.alive && host_->now() - proc.died >= Ms(settings_.exit_lag);
    if (over) ended.push_back(identity);
  }
  for (const node::ProcessIdentity& identity : ended) {
    if (node::Process* process = table_.Find(identity)) enforcer_.OnExit(*process);
  }
}

}  // namespace procctl::sim
