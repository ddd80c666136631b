// Requests under way whose targets each end in exactly one event: to hold and to release, to start
// and to stop programs, to reload. Which target of which request has been answered.
//
// A target is answered when the event that ends its order is committed (AnswerKinds: it is done, or
// a VERDICT says why not). A request is finished when all its targets are answered *and* it is
// recorded itself, or when its time is over: then it leaves the book, and the store answers for it.
// Pure: no clock, no lock, no store, no session.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "controller/core/mono_time.h"
#include "controller/core/order_message.h"
#include "controller/core/order_request.h"
#include "procctl/v1/event.pb.h"

namespace procctl::controller {

// How one target stands: what its callers are told.
struct Outcome {
  std::string order_id;
  bool answered = false;
  // What was ordered is in force.
  bool done = false;
  v1::Verdict verdict = v1::VERDICT_UNSPECIFIED;
  v1::Refusal refusal = v1::REFUSAL_UNSPECIFIED;
  std::string message;
  std::optional<WallTime> until;
};

class AnswerBook {
 public:
  // A thousand outcomes go into one answer, whatever a node writes into its events: longer messages
  // are cut, at a character. The event keeps all of it.
  static constexpr size_t kMostMessageBytes = 1000;
  // Bounds memory; far above what an operator orders at a time.
  static constexpr size_t kMostTargets = 100'000;
  // An answer may take this much longer than the time to live: the way back.
  static constexpr std::chrono::seconds kSlack{5};

  // Takes `request` (not to stop) into the book; its id must not be in it. `recorded`: it
  // is in the store already. UNAVAILABLE if the book is full.
  absl::Status Begin(OrderRequest request, bool recorded, MonoTime now);

  // Null if no request of that id is under way.
  const OrderRequest* Find(std::string_view request_id) const;

  // Orders of targets without an answer whose time to live is not over, with what is left of it:
  // those of a request to dispatch, and those of a node that came back.
  struct Dispatch {
    size_t target;
    std::string node;
    OrderMessage order;
  };
  std::vector<Dispatch> OrdersOf(std::string_view request_id, MonoTime now) const;
  std::vector<Dispatch> OrdersFor(std::string_view node, MonoTime now);

  // The node of a target cannot be reached: its order goes to nobody from here on. False if
  // OrdersFor has handed it out meanwhile, because the node came back: then it is the node that
  // answers, and a refusal beside that would be a second truth.
  bool Refuse(std::string_view request_id, size_t target);

  struct Finished {
    std::string request_id;
    std::vector<Outcome> outcomes;  // in the order of targets
  };
  // An event is committed. An event of another node than the target's is nobody's: a node cannot
  // answer for another. The first answer stands.
  std::optional<Finished> OnCommitted(const v1::Event& event);
  // The request's record is committed.
  std::optional<Finished> OnRecorded(std::string_view request_id);
  // Gives up on what is overdue.
  std::vector<Finished> Expire(MonoTime now);

  size_t requests() const { return requests_.size(); }
  size_t targets() const { return targets_; }

 private:
  // What became of a target's order: not decided, given to a node that came back, refused.
  enum class Way : unsigned char { kOpen, kGiven, kRefused };
  struct Running {
    OrderRequest request;
    bool recorded = false;
    MonoTime began;
    MonoTime overdue;
    std::vector<Outcome> outcomes;
    std::vector<Way> ways;
    size_t open = 0;  // targets without an answer
  };
  using Requests = absl::flat_hash_map<std::string, Running>;
  static std::optional<OrderMessage> OrderOf(const Running& running, size_t target, MonoTime now);
  std::optional<Finished> TakeIfFinished(Requests::iterator it);
  Finished Take(Requests::iterator it);

  Requests requests_;
  size_t targets_ = 0;
};

}  // namespace procctl::controller
