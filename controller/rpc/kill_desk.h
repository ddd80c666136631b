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
#include "controller/rpc/fleet.h"
#include "controller/rpc/known_requests.h"
#include "controller/rpc/reader_threads.h"
#include "controller/store/engine.h"

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
  KillDesk(Fleet* fleet, Engine* engine, ReaderThreads* readers, KnownRequests* known);

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
  struct Waiting {
    OrderRequest request;
    Listener listener;
  };
  // A request that the store is being asked about. Events committed meanwhile would be missed by
  // both the store's answer and the book, so they are kept.
  struct Lookup {
    std::vector<Waiting> waiting;
    std::vector<v1::Event> events;
  };
  using News = std::vector<OrderBook::News>;

  void Attach(const OrderRequest& running, Waiting waiting);
  // For an id that the store does not know.
  void StartNew(Waiting waiting);
  // False: the node came back and has the order.
  bool Refuse(const std::string& id, size_t target);
  void LookUp(const std::string& id);
  void FinishLookup(const std::string& id, absl::StatusOr<std::optional<RecordedRequest>> recorded);
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

  Fleet* const fleet_;
  Engine* const engine_;
  ReaderThreads* const readers_;
  KnownRequests* const known_;

  absl::Mutex mutex_;
  OrderBook book_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_map<std::string, std::vector<std::weak_ptr<KillListener>>> listeners_
      ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_map<std::string, Lookup> lookups_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace procctl::controller
