// Takes requests whose targets each end in one answer (to hold and to release), sends their orders,
// records them, and tells whoever waits how they ended.
//
//   caller -> Start -> (orders to sessions)                      no storage wait before this
//                   -> (request record, refused verdicts) -> commit
//   node's answer -> commit -> OnCommitted -> caller             only what is committed is told
//
// As the kill desk, without progress. Thread-safe, never blocks; a lookup
// of an older request goes to the reader threads. Never calls a listener, a session or the store
// with its lock held.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "controller/core/answer_book.h"
#include "controller/rpc/order_ways.h"
#include "controller/rpc/request_lookups.h"

namespace procctl::controller {

// One caller of one request; exactly one of these is called, once. Calls are thread-safe and do not
// block.
class OutcomeListener {
 public:
  virtual ~OutcomeListener() = default;
  // In the order of targets.
  virtual void Finished(const std::vector<Outcome>& outcomes) = 0;
  // The request was not taken.
  virtual void Refused(const absl::Status& why) = 0;
};

class AnswerDesk {
 public:
  explicit AnswerDesk(const OrderWays& ways) : ways_(ways) {}

  // `request` is not to stop, has passed CheckOrderRequest and names its issuer.
  void Start(OrderRequest request, std::shared_ptr<OutcomeListener> listener);

  // Events that are committed, in the order of their commits.
  void OnCommitted(const std::vector<v1::Event>& events);

  // A node's session has begun: sends it the orders that wait for its answer.
  void OnNodeReturned(const std::string& node);

  // Gives up on what is overdue.
  void Tick();

 private:
  using Listener = std::shared_ptr<OutcomeListener>;
  using Waiting = RequestLookups<OutcomeListener>::Waiting;
  using Lookup = RequestLookups<OutcomeListener>::Lookup;
  // Who is to be told what. Made in the critical section that takes the request out of the book.
  struct Call {
    std::vector<std::weak_ptr<OutcomeListener>> listeners;
    std::vector<Outcome> outcomes;
  };

  // For an id that the store does not know.
  void StartNew(Waiting waiting);
  // False: the node came back and has the order.
  bool Refuse(const std::string& id, size_t target);
  void LookUp(const std::string& id);
  void FinishLookup(const std::string& id, absl::StatusOr<std::optional<RecordedRequest>> recorded);
  void Resume(const RecordedRequest& recorded);
  // Sends orders; those that cannot leave get their verdict here if `refuse`.
  void Dispatch(const OrderRequest& request, std::vector<AnswerBook::Dispatch> orders, bool refuse);
  void AddressTo(std::optional<AnswerBook::Finished> finished, std::vector<Call>* calls)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  static void Deliver(const std::vector<Call>& calls);

  const OrderWays ways_;

  absl::Mutex mutex_;
  AnswerBook book_ ABSL_GUARDED_BY(mutex_);
  // Weak: a caller that goes away does not stop the request.
  absl::flat_hash_map<std::string, std::vector<std::weak_ptr<OutcomeListener>>> listeners_
      ABSL_GUARDED_BY(mutex_);
  RequestLookups<OutcomeListener> lookups_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace procctl::controller
