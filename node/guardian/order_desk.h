// Takes orders from the uplink and lets none through that is not sound.
#pragma once

#include <string>

#include "node/core/order_ledger.h"
#include "node/guardian/enforcer.h"
#include "node/guardian/event_log.h"
#include "node/guardian/table.h"
#include "procctl/v1/link.pb.h"

namespace procctl::node {

class OrderDesk {
 public:
  OrderDesk(Table* table, EventLog* log, Enforcer* enforcer, Nanos default_grace)
      : table_(table), log_(log), enforcer_(enforcer), default_grace_(default_grace) {}

  // Nothing of the order is believed but which process it means. A repeat of an order taken before
  // does nothing: its verdict is or will be on its way.
  void Take(const v1::LinkOrder& order);

 private:
  Table* table_;
  EventLog* log_;
  Enforcer* enforcer_;
  Nanos default_grace_;
  OrderLedger ledger_;
};

}  // namespace procctl::node
