// Takes orders from the uplink and the local socket, and lets none through that is not sound.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "node/core/enforcer.h"
#include "node/core/order_check.h"
#include "node/core/order_ledger.h"
#include "node/core/table.h"
#include "node/guardian/event_log.h"
#include "procctl/v1/link.pb.h"

namespace procctl::node {

class OrderDesk {
 public:
  OrderDesk(Table* table, EventLog* log, Enforcer* enforcer, Journal* journal, Nanos default_grace)
      : table_(table),
        log_(log),
        enforcer_(enforcer),
        journal_(journal),
        default_grace_(default_grace) {}

  // Nothing of the order is believed but which process it means. A repeat of an order taken before
  // does nothing: its verdict is or will be on its way.
  void Take(const v1::LinkOrder& order);
  void TakeHold(const v1::LinkHoldOrder& order);
  // `act` carries out what was found sound; it ends the order.
  void TakeProgram(
      const v1::LinkProgramOrder& order,
      const std::function<void(const v1::ProgramOrder& order, const OrderRef& ref)>& act);

  // Of an earlier guardian whose table this one takes up: nothing it took is unknown.
  void Restore(const std::vector<std::string>& orders_taken);
  const OrderLedger& ledger() const { return ledger_; }

 private:
  bool TakeId(const std::string& order_id);
  // The slot that the incarnation names, or how the order ends.
  Slot* FindTarget(const v1::LinkOrder& order, std::optional<OrderEnd>* end);

  Table* table_;
  EventLog* log_;
  Enforcer* enforcer_;
  Journal* journal_;
  Nanos default_grace_;
  OrderLedger ledger_;
  // The ledger holds what earlier guardians of this boot took: an order that is not in it was never
  // acted upon.
  bool ledger_is_whole_ = false;
};

}  // namespace procctl::node
