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
#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "controller/core/order_book.h"
#include "controller/rpc/fleet.h"
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
  KillDesk(Fleet* fleet, Engine* engine, ReaderThreads* readers);

  // Ids of recorded requests, for the start of a controller. `all` false: there are more than
  // these.
  void AddKnown(const std::vector<std::string>& request_ids, bool all);

  // `request` has passed CheckKillRequest and names its issuer.
  void Start(KillRequest request, std::shared_ptr<KillListener> listener);

  // Events that are committed, in the order of their commits.
  void OnCommitted(const std::vector<v1::Event>& events);

  // A node's session has begun: sends it the orders that wait for its verdict.
  void OnNodeReturned(const std::string& node);

  // Gives up on what is overdue.
  void Tick();

 private:
  using Listener = std::shared_ptr<KillListener>;
  struct Waiting {
    KillRequest request;
    Listener listener;
  };
  // A request that the store is being asked about. Events committed meanwhile would be missed by
  // both the store's answer and the book, so they are kept.
  struct Lookup {
    std::vector<Waiting> waiting;
    std::vector<v1::Event> events;
  };
  using News = std::vector<OrderBook::News>;

  bool MaybeRecorded(const std::string& id) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Attach(const KillRequest& running, Waiting waiting);
  // `looked_up`: the store has said that it does not know the id.
  void StartNew(Waiting waiting, bool looked_up);
  void LookUp(const std::string& id);
  void FinishLookup(const std::string& id, absl::StatusOr<std::optional<RecordedRequest>> recorded);
  // Sends the orders of a request; those that cannot leave get their verdict here if `refuse`.
  void Dispatch(const KillRequest& request, std::vector<OrderBook::Dispatch> orders, bool refuse);

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

  absl::Mutex mutex_;
  OrderBook book_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_map<std::string, std::vector<std::weak_ptr<KillListener>>> listeners_
      ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_map<std::string, Lookup> lookups_ ABSL_GUARDED_BY(mutex_);
  // Hashes of all request ids there ever were, so that a new request need not wait for the store to
  // say that it is new. With too many of them every request waits.
  absl::flat_hash_set<std::uint64_t> known_ ABSL_GUARDED_BY(mutex_);
  bool ask_always_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace procctl::controller
