// Takes orders to stop, sends them at their pace, records them, and tells whoever listens how they
// go on.
//
//   at once: caller -> Start -> (orders to sessions)                 no storage wait before this
//                            -> (request record, refused verdicts) -> commit
//   paced:   caller -> Start -> request record -> commit -> Advance -> "sent" -> commit -> orders
//   node's VERDICT event -> commit -> OnCommitted -> caller, Advance  only what is committed is
//   told Advance -> HALTED, FINISHED -> commit -> caller;   Steer -> PAUSED ... -> commit -> both
//   callers
//
// After a crash the store's orders come back by Load: what was sent is not sent again, what was not
// waits for somebody to resume it.
//
// Thread-safe, never blocks; a lookup of an older request goes to the reader threads. Never calls a
// listener, a session or the store with its lock held.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "controller/core/order_book.h"
#include "controller/rpc/kill_listener.h"
#include "controller/rpc/order_ways.h"
#include "controller/rpc/request_lookups.h"

namespace procctl::controller {

class KillDesk {
 public:
  explicit KillDesk(const OrderWays& ways) : ways_(ways) {}

  // Orders of earlier lives that have not ended. Before anything else is called.
  void Load(std::vector<RecordedRequest> orders);

  // `request` has passed CheckOrderRequest and names its issuer; or it is a plan that is not to be
  // applied, for which `if_new` says why: then only one that was begun before is attached to.
  void Start(OrderRequest request, std::shared_ptr<KillListener> listener,
             absl::Status if_new = absl::OkStatus());

  // Attaches to an order, running or recorded. NOT_FOUND: there is none of that id.
  void Watch(const std::string& request_id, std::shared_ptr<KillListener> listener);

  struct Steering {
    std::string request_id;  // empty: all that are under way
    v1::OrderAction action = v1::ORDER_ACTION_UNSPECIFIED;
    std::string by;
    std::string reason;
  };
  // What was ordered is in force at once; `done` gets the orders as they stand, once that is
  // committed. NOT_FOUND: no such order. FAILED_PRECONDITION: it has ended.
  using Steered = std::function<void(absl::StatusOr<std::vector<OrderStanding>>)>;
  void Steer(Steering how, Steered done);

  // An order that is under way.
  std::optional<OrderStanding> Look(const std::string& request_id);

  // Events that are committed, in the order of their commits.
  void OnCommitted(const std::vector<v1::Event>& events);

  // A node's session has begun: sends it the orders that wait for its verdict.
  void OnNodeReturned(const std::string& node);

  // Gives up on what is overdue, looks who is back, and sends what is due.
  void Tick();

 private:
  using Listener = std::shared_ptr<KillListener>;
  using Waiting = RequestLookups<KillListener>::Waiting;
  using Lookup = RequestLookups<KillListener>::Lookup;
  using News = std::vector<OrderBook::News>;

  void Begin(Waiting waiting);
  void Attach(const OrderRequest& running, Waiting waiting);
  // For an id that the store does not know.
  void StartNew(Waiting waiting);
  // Nothing: the node came back and has the order.
  std::optional<v1::Event> Refuse(const std::string& id, size_t target, v1::Refusal refusal);
  void LookUp(const std::string& id);
  void FinishLookup(const std::string& id, absl::StatusOr<std::optional<RecordedRequest>> recorded);
  // To those who asked for a request that has ended.
  void TellRecorded(const RecordedRequest& recorded);
  // Sends the orders of a request; those that cannot leave get their verdict here.
  void Dispatch(const std::string& id, std::vector<OrderBook::Dispatch> orders);

  // What follows from news about orders: what the book says under the lock, and what is done about
  // it without.
  struct Step {
    std::string id;
    OrderBook::Move move;
    bool as_event = false;  // and a step of the order, for the record
  };
  using Steps = std::vector<Step>;
  void Advance(const std::string& id, MonoTime now, Steps* steps)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Advance(const News& news, MonoTime now, Steps* steps) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Take(const Steps& steps);
  void SendChosen(const std::string& id, const std::vector<size_t>& targets);
  void StateRecorded(const OrderStanding& standing);
  void SteerRecorded(const Steering& how, const Steered& done);

  // Who is to be told what. Made in the same critical section as the news: the last news of a
  // request removes its listeners.
  struct Call {
    Listener listener;
    std::variant<Progress, OrderStanding> news;
  };
  std::vector<Call> Addressed(const News& news) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  std::vector<Call> Addressed(const OrderStanding& standing) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  static void Deliver(const std::vector<Call>& calls);

  const OrderWays ways_;

  absl::Mutex mutex_;
  OrderBook book_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_map<std::string, std::vector<std::weak_ptr<KillListener>>> listeners_
      ABSL_GUARDED_BY(mutex_);
  RequestLookups<KillListener> lookups_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace procctl::controller
