#include "node/guardian/order_desk.h"

#include <optional>
#include <utility>

#include "node/core/order_check.h"
#include "node/os/clock.h"
#include "node/os/proc_file.h"
#include "proto/support/escape.h"
#include "spdlog/spdlog.h"

namespace procctl::node {

void OrderDesk::Take(const v1::LinkOrder& link_order) {
  const v1::Order& order = link_order.order();
  if (!HasOrderId(order)) {
    spdlog::error("the uplink passed on an order without a usable id; dropped");
    return;
  }
  if (!ledger_.Take(order.order_id())) return;

  OrderRef ref{order.order_id(), Printable(order.issuer()), Printable(order.reason())};
  // For the record of an order that ends here: what it asked for.
  v1::Event subject;
  subject.set_slot(Printable(order.slot()));
  *subject.mutable_incarnation() = order.incarnation();

  std::optional<OrderEnd> end = CheckShape(link_order, SinceBoot());
  Slot* slot = nullptr;
  if (!end) {
    const v1::Incarnation& wanted = order.incarnation();
    OrderFacts facts{
        .boot_id = log_->boot_id(), .slot_matches = false, .start_ticks = std::nullopt};
    slot = table_->FindSlot(wanted.generation());
    facts.slot_matches = slot != nullptr && slot->process->ref.identity() ==
                                                ProcessIdentity{wanted.pid(), wanted.start_ticks()};
    facts.process_guarded = table_->Find({wanted.pid(), wanted.start_ticks()}) != nullptr;
    if (wanted.pid() > 0) {
      if (const auto stat = ReadStat(wanted.pid()); stat && stat->state != 'Z')
        facts.start_ticks = stat->start_ticks;
    }
    end = CheckTarget(link_order, facts);
  }
  if (end) {
    enforcer_->EndOrder(ref, std::move(subject), end->verdict, end->refusal,
                        std::move(end->message));
    return;
  }
  enforcer_->Execute(*slot, std::move(ref), GraceOf(order, default_grace_));
}

}  // namespace procctl::node
