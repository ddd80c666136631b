// What a guardian does with the journal of one that was killed: reads it back, finds the processes
// again, and goes on.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "node/core/enforcer.h"
#include "node/core/order_ledger.h"
#include "node/core/seams.h"
#include "node/core/table.h"
#include "procctl/v1/guardian_state.pb.h"

namespace procctl::sim {

// All frames, one on top of the other.
struct Remembered {
  std::map<int64_t, v1::SlotRecord> slots;
  std::map<int64_t, v1::KillRecord> kills;
  std::vector<std::string> orders;
  std::optional<v1::BrakeRecord> brake;
};

Remembered Replay(const std::vector<v1::StateFrame>& frames);

struct TakeUpWorld {
  // The very process, if it still lives; else nullptr.
  std::function<std::unique_ptr<node::Target>(const node::ProcessIdentity&)> find;
  // Nullptr: it cannot be had any more.
  std::function<std::shared_ptr<const procctl_page>(const v1::SlotRecord&)> reopen;
  // Told of every process that enters the table.
  std::function<void(node::Process&)> bound;
};

// Everything is new and empty. The caller commits.
void TakeUp(const Remembered& remembered, const TakeUpWorld& world, node::Table* table,
            node::Enforcer* enforcer, node::OrderLedger* ledger, node::EventSink* events,
            node::Journal* journal);

}  // namespace procctl::sim
