// Kill requests under way: which target of which request stands where.
//
// A target is done when the VERDICT event of its order is committed *and* the request itself is
// recorded: the caller is told nothing that a crash could take back. What has no verdict in time is
// UNRESOLVED.
//
//   (Begin) -> DISPATCHED -> TERM_SENT -> KILL_SENT -> DONE
//                  \____________\____________\______-> UNRESOLVED   after time to live + grace + 20
//                  s
//
// A request leaves the book when all its targets are done; from then on the store answers for it.
// Pure: no clock, no lock, no store, no session.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "controller/core/mono_time.h"
#include "controller/core/order_request.h"
#include "procctl/v1/event.pb.h"
#include "procctl/v1/order.pb.h"

namespace procctl::controller {

// Numbered like procctl.v1.KillPhase; a later phase is a higher number.
enum class KillPhase { kDispatched = 1, kTermSent = 2, kKillSent = 3, kDone = 4, kUnresolved = 5 };

// Where one target stands: what its callers are told.
struct Progress {
  size_t target = 0;
  std::string order_id;
  KillPhase phase = KillPhase::kDispatched;
  bool done = false;
  v1::Verdict verdict = v1::VERDICT_UNSPECIFIED;
  v1::Refusal refusal = v1::REFUSAL_UNSPECIFIED;
  std::chrono::nanoseconds took{0};
  bool kill_sent = false;
  std::string message;
};

class OrderBook {
 public:
  // Bounds memory; far above what an operator starts at a time.
  static constexpr size_t kMostTargets = 100'000;
  // A node's verdict may take this much longer than time to live and grace: 10 s until UNKILLABLE,
  // and the way back.
  static constexpr std::chrono::seconds kSlack{20};
  // Stands for "the node's own grace", which the controller does not know.
  static constexpr std::chrono::seconds kAssumedGrace{5};

  // Takes `request` into the book; its id must not be in it. `recorded`: it is in the store
  // already. UNAVAILABLE if the book is full.
  absl::Status Begin(OrderRequest request, bool recorded, MonoTime now);

  // Null if no request of that id is under way.
  const OrderRequest* Find(std::string_view request_id) const;

  // Every target as it stands.
  std::vector<Progress> Standing(std::string_view request_id) const;

  // Orders of targets without a verdict whose time to live is not over, with what is left of it:
  // those of a request to dispatch, and those of a node that came back.
  struct Dispatch {
    size_t target;
    std::string node;
    v1::Order order;
  };
  std::vector<Dispatch> OrdersOf(std::string_view request_id, MonoTime now) const;
  std::vector<Dispatch> OrdersFor(std::string_view node, MonoTime now);

  // The node of a target cannot be reached: its order goes to nobody from here on. False if
  // OrdersFor has handed it out meanwhile, because the node came back: then it is the node that
  // answers, and a refusal beside that would be a second truth.
  bool Refuse(std::string_view request_id, size_t target);

  // What the callers of a request are to be told.
  struct News {
    std::string request_id;
    Progress progress;
  };
  // An event is committed. An event of another node than the target's is nobody's: a node cannot
  // answer for another.
  std::vector<News> OnCommitted(const v1::Event& event);
  // The request's record is committed.
  std::vector<News> OnRecorded(std::string_view request_id);
  // Gives up on what is overdue.
  std::vector<News> Expire(MonoTime now);

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
    std::vector<Progress> standing;
    std::vector<Way> ways;
    size_t open = 0;  // targets not told as done
  };
  static std::optional<v1::Order> OrderOf(const Running& running, size_t target, MonoTime now);
  void EraseIfFinished(std::string_view request_id);

  absl::flat_hash_map<std::string, Running> requests_;
  absl::flat_hash_map<std::string, absl::flat_hash_set<std::string>> requests_of_node_;
  size_t targets_ = 0;
};

}  // namespace procctl::controller
