// One life of a guardian: everything that a crash takes with it, and the memory of the hearts that
// it does not.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "node/core/enforcer.h"
#include "node/core/order_ledger.h"
#include "node/core/table.h"
#include "procctl/v1/link.pb.h"
#include "tests/sim/host.h"
#include "tests/sim/seams.h"

namespace procctl::sim {

// Outlives guardians.
struct Board {
  Board();
  std::vector<node::HeartCell> cells;
  std::vector<node::HeartHistory> histories;
};

inline constexpr const char* kBootId = "boot";

class Guardian {
 public:
  // `epoch` is greater than that of every earlier one.
  Guardian(Host* host, Seams* seams, Board* board, const Settings& settings, int64_t epoch);

  node::Table& table() { return table_; }
  node::Enforcer& enforcer() { return enforcer_; }
  node::OrderLedger& ledger() { return ledger_; }

  // A process that has just asked for a slot. Nullptr: all slots are taken.
  node::Slot* Register(Proc& proc, node::Table::NewSlot what);
  // Everything that is asked of an order before the enforcer has it.
  void TakeOrder(const v1::LinkOrder& order);
  // What a turn of the loop does before its scan.
  void ReapExits();
  // Right before the scan: the rows of the classic table.
  void CopyRows();

 private:
  Host* host_;
  Seams* seams_;
  Settings settings_;
  node::Table table_;
  node::Enforcer enforcer_;
  node::OrderLedger ledger_;
};

}  // namespace procctl::sim
