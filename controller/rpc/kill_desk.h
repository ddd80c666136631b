// Takes kill requests, sends their orders, records them, and tells whoever listens how they go on.
//
//   caller -> Start -> (orders to sessions)                   no storage wait before this
//                   -> (request record, refused verdicts) -> commit
//   node's VERDICT event -> commit -> OnCommitted -> caller   only what is committed is told
//
// Thread-safe, never blocks; a lookup of an older request goes to the reader threads. Never calls a
// listener, a session or the store with its lock held.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "controller/core/order_book.h"
#include "controller/rpc/order_ways.h"
#include "controller/rpc/request_lookups.h"

namespace procctl::controller {

// One caller of one request. Accepted comes once; Progress may come before it, twice, or late, and
// the listener keeps only what is news. Calls are thread-safe and do not block.
class KillListener {
 public:
  virtual ~KillListener() = default;
  virtual void Accepted(bool repeated) = 0;
  virtual void Told(const Progress& progress) = 0;
  // Instead of Accepted: the request was not taken.
  virtual void Refused(const absl::Status& why) = 0;
};

class KillDesk {
 public:
  explicit KillDesk(const OrderWays& ways) : ways_(ways) {}

  // `request` has passed CheckOrderRequest and names its issuer.
  void Start(OrderRequest request, std::shared_ptr<KillListener> listener);

  // Events that are committed, in the order of their commits.
  void OnCommitted(const std::vector<v1::Event>& events);

  // A node's session has begun: sends it the orders that wait for its verdict.
  void OnNodeReturned(const std::string& node);

  // Gives up on what is overdue.
  void Tick();

 private:
  using Listener = std::shared_ptr<KillListener>;
  using Waiting = RequestLookups<KillListener>::Waiting;
  using Lookup = RequestLookups<KillListener>::Lookup;
  using News = std::vector<OrderBook::News>;

  void Attach(const OrderRequest& running, Waiting waiting);
  // For an id that the store does not know.
  void StartNew(Waiting waiting);
  // False: the node came back and has the order.
  bool Refuse(const std::string& id, size_t target);
  void LookUp(const std::string& id);
  void FinishLookup(const std::string& id, absl::StatusOr<std::optional<RecordedRequest>> recorded);
  void Resume(const RecordedRequest& recorded);
  // Sends the orders of a request; those that cannot leave get their verdict here if `refuse`.
  void Dispatch(const OrderRequest& request, std::vector<OrderBook::Dispatch> orders, bool refuse);

  // Who is to be told what. Made in the same critical section as the news: the last news of a
  // request removes its listeners.
  struct Call {
    Listener listener;
    Progress progress;
  };
  std::vector<Call> Addressed(const News& news) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  static void Deliver(const std::vector<Call>& calls);

  const OrderWays ways_;

  absl::Mutex mutex_;
  OrderBook book_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_map<std::string, std::vector<std::weak_ptr<KillListener>>> listeners_
      ABSL_GUARDED_BY(mutex_);
  RequestLookups<KillListener> lookups_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace procctl::controller
