// What was committed, to be asked. Thread-safe; every call that returns a result blocks on the
// disk, so none may be made from a callback thread of gRPC.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "controller/core/mono_time.h"
#include "controller/core/order_request.h"
#include "controller/core/order_standing.h"
#include "procctl/v1/event.pb.h"
#include "proto/support/filter.h"

namespace procctl::controller {

struct LoggedEvent {
  std::int64_t position = 0;
  WallTime received_at;
  v1::Event event;
  // How far its node's clock was ahead of ours then; empty: not known.
  std::optional<std::chrono::nanoseconds> skew;
};

struct EventQuery {
  Filter filter;  // by EventFilterSchema()
  std::int64_t after_position = 0;
  std::optional<WallTime> since;
  // Only the newest that many which match; 0: all. Only meaningful for a first page.
  int newest = 0;
  int limit = 1000;
  // A page ends before the event that would make it larger; one event always fits.
  std::size_t limit_bytes = 2 * 1024 * 1024;
};

struct EventPage {
  std::vector<LoggedEvent> events;  // oldest first
  bool more = false;
};

struct RecordedRequest {
  OrderRequest request;
  // The first event that answers each order (AnswerKinds), where there is one, in the order of
  // targets.
  std::vector<v1::Event> answers;
  WallTime received_at;
  // Of an order to stop; of all others FINISHED.
  v1::OrderState state = v1::ORDER_STATE_FINISHED;
  std::string state_message;
  // For each target: given to its node's session, or about to be.
  std::vector<bool> sent;
};

// An order to stop as a whole, without its targets.
struct RecordedOrder {
  std::int64_t number = 0;  // grows
  OrderStanding standing;
};

struct OrderQuery {
  // Only those before this number; 0: from the newest.
  std::int64_t before = 0;
  int limit = 100;
  bool only_running = false;
};

struct OrderPage {
  std::vector<RecordedOrder> orders;  // newest first
  bool more = false;
};

class History {
 public:
  virtual ~History() = default;

  // DEADLINE_EXCEEDED for a filter so rare that looking takes over ten seconds; the message says
  // how to narrow it.
  virtual absl::StatusOr<EventPage> Query(const EventQuery& query) = 0;

  // Records a request with its targets, then calls `done` (same rules as CommitLog::Append).
  // A request id that is recorded already is left as it is: ALREADY_EXISTS. An order to stop is
  // RUNNING from here on; its targets count as sent if it goes at once, and else do not. Refused as
  // AppendOwn is while too much waits.
  using Recorded = std::function<void(absl::Status)>;
  virtual void RecordRequest(OrderRequest request, WallTime at, Recorded done) = 0;

  virtual absl::StatusOr<std::optional<RecordedRequest>> FindRequest(const std::string& id) = 0;

  // Records that targets of an order to stop are about to be sent, or were not after all.
  virtual void RecordSent(const std::string& request_id, std::vector<size_t> targets, bool sent,
                          Recorded done) = 0;

  // Records where an order to stop stands.
  virtual void RecordState(const std::string& request_id, v1::OrderState state,
                           const std::string& message, Recorded done) = 0;

  // Orders to stop that have not ended, oldest first, with what FindRequest tells of each.
  virtual absl::StatusOr<std::vector<RecordedRequest>> OpenOrders() = 0;

  // Orders to stop. A page may end early where counting targets is much work.
  virtual absl::StatusOr<OrderPage> ListOrders(const OrderQuery& query) = 0;

  // Ids of recorded requests, newest first, at most `most`.
  virtual absl::StatusOr<std::vector<std::string>> RequestIds(int most) = 0;
};

}  // namespace procctl::controller
