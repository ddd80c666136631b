#include "node/guardian/order_desk.h"

#include <optional>
#include <utility>

#include "node/core/order_check.h"
#include "node/os/clock.h"
#include "node/os/proc_file.h"
#include "proto/support/escape.h"
#include "proto/support/time_convert.h"
#include "spdlog/spdlog.h"

namespace procctl::node {

bool OrderDesk::TakeId(const std::string& order_id) {
  if (!ledger_.Take(order_id)) return false;
  v1::StateRecord record;
  record.set_order_taken(order_id);
  journal_->Put(std::move(record));
  return true;
}

void OrderDesk::Restore(const std::vector<std::string>& orders_taken) {
  for (const std::string& id : orders_taken) (void)ledger_.Take(id);
  ledger_is_whole_ = true;
}

Slot* OrderDesk::FindTarget(const v1::LinkOrder& link_order, std::optional<OrderEnd>* end) {
  const v1::Incarnation& wanted = link_order.order().incarnation();
  OrderFacts facts{.boot_id = log_->boot_id(), .slot_matches = false, .start_ticks = std::nullopt};
  Slot* slot = table_->FindSlot(wanted.generation());
  facts.slot_matches = slot != nullptr && slot->process->identity() ==
                                              ProcessIdentity{wanted.pid(), wanted.start_ticks()};
  facts.process_guarded = table_->Find({wanted.pid(), wanted.start_ticks()}) != nullptr;
  if (wanted.pid() > 0) {
    if (const auto stat = ReadStat(wanted.pid()); stat && stat->state != 'Z')
      facts.start_ticks = stat->start_ticks;
  }
  *end = CheckTarget(link_order, facts);
  return slot;
}

void OrderDesk::Take(const v1::LinkOrder& given) {
  const v1::Order& order = given.order();
  if (!HasOrderId(order)) {
    spdlog::error("an order without a usable id came; dropped");
    return;
  }
  if (!TakeId(order.order_id())) return;
  v1::LinkOrder link_order = given;
  if (ledger_is_whole_) link_order.set_from_earlier_guardian(false);

  OrderRef ref{order.order_id(), Printable(order.issuer()), Printable(order.reason())};
  // For the record of an order that ends here: what it asked for.
  v1::Event subject;
  subject.set_slot(Printable(order.slot()));
  *subject.mutable_incarnation() = order.incarnation();

  std::optional<OrderEnd> end = CheckShape(link_order, SinceBoot());
  Slot* slot = end ? nullptr : FindTarget(link_order, &end);
  if (end) {
    enforcer_->EndOrder(ref, std::move(subject), end->verdict, end->refusal,
                        std::move(end->message));
    return;
  }
  enforcer_->Execute(*slot, std::move(ref), GraceOf(order, default_grace_));
}

void OrderDesk::TakeHold(const v1::LinkHoldOrder& given) {
  const v1::HoldOrder& hold = given.order();
  // What a hold and an order to stop have in common is checked in one place.
  v1::LinkOrder link_order;
  v1::Order* order = link_order.mutable_order();
  order->set_order_id(hold.order_id());
  order->set_slot(hold.slot());
  *order->mutable_incarnation() = hold.incarnation();
  if (hold.has_time_to_live()) *order->mutable_time_to_live() = hold.time_to_live();
  order->set_issuer(hold.issuer());
  order->set_reason(hold.reason());
  if (given.has_expires_at()) *link_order.mutable_expires_at() = given.expires_at();
  if (!HasOrderId(*order)) {
    spdlog::error("a hold without a usable id came; dropped");
    return;
  }
  if (!TakeId(hold.order_id())) return;

  OrderRef ref{hold.order_id(), Printable(hold.issuer()), Printable(hold.reason())};
  v1::Event subject;
  subject.set_slot(Printable(hold.slot()));
  *subject.mutable_incarnation() = hold.incarnation();
  std::optional<OrderEnd> end = CheckShape(link_order, SinceBoot());
  if (!end) end = CheckHold(hold);
  Slot* slot = end ? nullptr : FindTarget(link_order, &end);
  if (end) {
    enforcer_->EndOrder(ref, std::move(subject), end->verdict, end->refusal,
                        std::move(end->message));
  } else if (hold.release()) {
    enforcer_->ReleaseHold(*slot, ref);
  } else {
    enforcer_->PlaceHold(*slot, ref, FromProto(hold.hold_for()), WallNow());
  }
}

void OrderDesk::TakeProgram(
    const v1::LinkProgramOrder& given,
    const std::function<void(const v1::ProgramOrder& order, const OrderRef& ref)>& act) {
  const v1::ProgramOrder& program = given.order();
  // What it has in common with an order to stop is checked in one place. That one names a process;
  // this one need not.
  v1::LinkOrder link_order;
  v1::Order* order = link_order.mutable_order();
  order->set_order_id(program.order_id());
  order->set_slot(program.program());
  *order->mutable_incarnation() = program.incarnation();
  if (program.has_time_to_live()) *order->mutable_time_to_live() = program.time_to_live();
  order->set_issuer(program.issuer());
  order->set_reason(program.reason());
  if (given.has_expires_at()) *link_order.mutable_expires_at() = given.expires_at();
  if (!HasOrderId(*order)) {
    spdlog::error("a program's order without a usable id came; dropped");
    return;
  }
  if (!TakeId(program.order_id())) return;

  const OrderRef ref{program.order_id(), Printable(program.issuer()), Printable(program.reason())};
  if (std::optional<OrderEnd> end = CheckTime(link_order, SinceBoot())) {
    v1::Event subject;
    subject.set_slot(Printable(program.program()));
    subject.set_program(Printable(program.program()));
    enforcer_->EndOrder(ref, std::move(subject), end->verdict, end->refusal,
                        std::move(end->message));
    return;
  }
  act(program, ref);
}

}  // namespace procctl::node
