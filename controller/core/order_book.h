// Orders to stop under way: which target of which order stands where, and which is next.
//
// A target is done when the VERDICT event of its order is committed *and* the request itself is
// recorded: the caller is told nothing that a crash could take back. What has no verdict in time is
// UNRESOLVED.
//
//   (Begin, at once) --------> DISPATCHED -> TERM_SENT -> KILL_SENT -> DONE
//   (Begin, paced) -> WAITING --Send--^ \____________\____________\--> UNRESOLVED
//                        \--cancelled--> CANCELLED     time to live + grace + 20 s after Send
//
// What an earlier life of the controller has sent is not sent again: its verdict comes, or it is
// UNRESOLVED. A request leaves the book when all its targets are done and its last state is
// recorded; from then on the store answers for it. Pure: no clock, no lock, no store, no session.
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
#include "controller/core/order_recovery.h"
#include "controller/core/order_request.h"
#include "controller/core/order_standing.h"
#include "controller/core/pace.h"
#include "procctl/v1/event.pb.h"
#include "procctl/v1/order.pb.h"

namespace procctl::controller {

// Numbered like procctl.v1.KillPhase.
enum class KillPhase {
  kDispatched = 1,
  kTermSent = 2,
  kKillSent = 3,
  kDone = 4,
  kUnresolved = 5,
  kWaiting = 6,
  kCancelled = 7
};

// How far along a target is: a later phase ranks higher, those at the end all the same.
int RankOf(KillPhase phase);

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

// What an event says about its target; the kinds that are about none leave it DISPATCHED.
KillPhase PhaseOf(const v1::Event& event);
void Fill(const v1::Event& event, Progress* progress);
void FillUnresolved(Progress* progress);
void FillCancelled(Progress* progress);

class OrderBook {
 public:
  // Bounds memory; far above what an operator starts at a time.
  static constexpr size_t kMostTargets = 100'000;
  // Paced orders may wait for weeks: so much is left for others.
  static constexpr size_t kLeftForUnpaced = 20'000;
  // A node's verdict may take this much longer than time to live and grace: 10 s until UNKILLABLE,
  // and the way back.
  static constexpr std::chrono::seconds kSlack{20};
  // Stands for "the node's own grace", which the controller does not know.
  static constexpr std::chrono::seconds kAssumedGrace{5};
  // A store that cannot record the end of a request keeps it in the book for so long.
  static constexpr std::chrono::minutes kMostUnrecorded{1};

  // Takes `request` into the book; its id must not be in it. One that goes at once counts as sent.
  // `recorded`: it is in the store already. UNAVAILABLE if the book is full.
  absl::Status Begin(OrderRequest request, bool recorded, MonoTime now, WallTime received_at = {});

  // Takes one of an earlier life, as it was recorded. One that was RUNNING with targets to send is
  // PAUSED from here on.
  struct Earlier {
    OrderRequest request;
    std::vector<bool> sent;  // for each target
    v1::OrderState state = v1::ORDER_STATE_UNSPECIFIED;
    std::string message;
    WallTime received_at;
  };
  absl::Status Restore(Earlier earlier, MonoTime now);

  // Null if no request of that id is under way.
  const OrderRequest* Find(std::string_view request_id) const;

  // Every target as it stands.
  std::vector<Progress> Standing(std::string_view request_id) const;
  // The order as a whole; nothing if it is not under way.
  std::optional<OrderStanding> Look(std::string_view request_id) const;
  // It has ended, and that is recorded: only targets that were sent before are waited for.
  bool EndRecorded(std::string_view request_id) const;
  std::vector<std::string> Ids() const;

  // Orders of targets that were sent, without a verdict, whose time to live is not over, with what
  // is left of it: those of a request that goes at once, and those of a node that came back.
  struct Dispatch {
    size_t target;
    std::string node;
    v1::Order order;
  };
  std::vector<Dispatch> OrdersOf(std::string_view request_id, MonoTime now) const;
  std::vector<Dispatch> OrdersFor(std::string_view node, MonoTime now);

  // What is next for an order: after each piece of news about it, and when it is due.
  struct Move {
    // To be recorded as sent and then given to Send.
    std::vector<size_t> choose;
    // It stands otherwise than the last Move said: to be recorded, then StateRecorded.
    std::optional<OrderStanding> changed;
  };
  Move Advance(std::string_view request_id, MonoTime now);
  // Requests to call Advance for though nothing was reported.
  std::vector<std::string> Due(MonoTime now) const;

  // Targets that Advance chose and that are recorded as sent. Those whose order has been paused,
  // halted or cancelled meanwhile stay behind.
  struct Sending {
    std::vector<Dispatch> orders;
    std::vector<size_t> stays;
  };
  Sending Send(std::string_view request_id, const std::vector<size_t>& targets, MonoTime now);

  // FAILED_PRECONDITION if it has ended (cancelling what is cancelled is fine), NOT_FOUND if it is
  // not under way. Advance says what came of it.
  absl::Status Steer(std::string_view request_id, v1::OrderAction action, std::string_view by,
                     std::string_view reason, MonoTime now);

  // Stopped programs that are to come back, and that one of them has.
  std::vector<AwaitedTarget> Awaited() const;
  void Returned(const AwaitedTarget& awaited, MonoTime now);

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
  std::vector<News> OnCommitted(const v1::Event& event, MonoTime now);
  // The request's record is committed.
  std::vector<News> OnRecorded(std::string_view request_id);
  // A change that Advance told is committed.
  std::vector<News> StateRecorded(std::string_view request_id, v1::OrderState state);
  // Gives up on what is overdue.
  std::vector<News> Expire(MonoTime now);

  size_t requests() const { return requests_.size(); }
  size_t targets() const { return targets_; }

 private:
  // What became of a target's order: not sent, not decided, given to a node that came back,
  // refused, sent in an earlier life.
  enum class Way : unsigned char { kWaiting, kOpen, kGiven, kRefused, kEarlier };
  struct Running {
    Running(OrderRequest order, MonoTime now);
    OrderRequest request;
    Pacer pacer;
    bool recorded = false;
    WallTime received_at;
    std::vector<Progress> standing;
    std::vector<Way> ways;
    std::vector<MonoTime> sent_at;
    size_t open = 0;   // targets not told as done
    MonoTime overdue;  // no target is before it
    std::optional<MonoTime> look_again;
    v1::OrderState told_state = v1::ORDER_STATE_RUNNING;
    bool end_recorded = false;
    MonoTime ended_at;
  };
  static std::chrono::nanoseconds Patience(const OrderRequest& request);
  static std::optional<v1::Order> OrderOf(const Running& running, size_t target, MonoTime now);
  static OrderStanding LookAt(const Running& running);
  Running* FindRunning(std::string_view request_id);
  const Running* FindRunning(std::string_view request_id) const;
  Running* Insert(Running running);
  void EraseIfFinished(std::string_view request_id);
  void Erase(const std::string& request_id);

  absl::flat_hash_map<std::string, Running> requests_;
  absl::flat_hash_map<std::string, absl::flat_hash_set<std::string>> requests_of_node_;
  size_t targets_ = 0;
};

}  // namespace procctl::controller
