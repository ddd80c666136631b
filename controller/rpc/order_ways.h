// The ways that orders of all kinds take out of their desks: to the nodes, into the log, and to the
// store's memory of older requests. Thread-safe, never blocks.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "controller/core/order_recovery.h"
#include "controller/core/order_standing.h"
#include "controller/rpc/fleet.h"
#include "controller/rpc/known_requests.h"
#include "controller/rpc/reader_threads.h"
#include "controller/store/engine.h"

namespace procctl::controller {

// What a target is told whose order could not be sent.
v1::Refusal RefusalOf(Fleet::Sent sent);

class OrderWays {
 public:
  // All of them outlive this.
  OrderWays(Fleet* fleet, Engine* engine, ReaderThreads* readers, KnownRequests* known)
      : fleet_(fleet), engine_(engine), readers_(readers), known_(known) {}

  Fleet::Sent Send(const std::string& node, OrderMessage order) const {
    return fleet_->Send(node, std::move(order));
  }
  // To a node whose session has just begun. `Dispatch` has an order.
  template <typename Dispatch>
  void SendAgain(const std::string& node, std::vector<Dispatch> orders) const {
    for (Dispatch& dispatch : orders) {
      // Not sent: the session ended already, and the next one comes here again.
      (void)Send(node, std::move(dispatch.order));
    }
  }

  // False: the id may be an old one, look it up.
  bool ClaimNew(const std::string& id) const { return known_->Claim(id); }
  // Asks the store on a reader thread; `done` gets what is recorded under that id, if anything, or
  // why that cannot be told (then perhaps at once).
  using Found = std::function<void(absl::StatusOr<std::optional<RecordedRequest>>)>;
  void LookUp(const std::string& id, Found done) const;

  // Records a request that has begun; `done` once it is recorded, be it by an earlier life of ours.
  void Record(const OrderRequest& request, std::function<void()> done) const;

  // Records what becomes of an order to stop; `done` once it is committed, with why if it never
  // will be: the controller is going down.
  using Recorded = std::function<void(const absl::Status&)>;
  void RecordSent(const std::string& id, std::vector<size_t> targets, bool sent,
                  Recorded done) const;
  void RecordState(const OrderStanding& standing, Recorded done) const;
  // Steps of orders, for the record; nobody waits for them.
  void RecordStep(v1::Event step) const;

  // Those of `awaited` that are back, as far as the fleet's rows say now.
  std::vector<AwaitedTarget> WhoIsBack(const std::vector<AwaitedTarget>& awaited) const;

  // Verdicts on what could not be sent are history like all others: `done` gets them when they are
  // committed.
  void CommitRefused(std::vector<v1::Event> refused,
                     std::function<void(const std::vector<v1::Event>&)> done) const;

 private:
  Fleet* const fleet_;
  Engine* const engine_;
  ReaderThreads* const readers_;
  KnownRequests* const known_;
};

}  // namespace procctl::controller
