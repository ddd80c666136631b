// A request to do something with some incarnations, programs or nodes, as the core and the store
// know it: plain data.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "controller/core/act.h"
#include "controller/core/mono_time.h"
#include "controller/core/pace.h"
#include "procctl/v1/event.pb.h"
#include "procctl/v1/fleet_service.pb.h"
#include "procctl/v1/slot.pb.h"

namespace procctl::controller {

struct OrderTarget {
  std::string node;
  // Of the slot, for the record; of the program's row; empty for kReload.
  std::string label;
  v1::Incarnation incarnation;
  // Programs: whichever life it is in; incarnation is empty.
  bool any_life = false;
  // Of a plan: what its row is called, the batch it is in, what was foreseen.
  std::string name = {};
  int batch = 1;
  v1::PlannedOutcome planned = v1::PLANNED_OUTCOME_UNSPECIFIED;
};

struct OrderRequest {
  std::string id;
  Act act = Act::kStop;
  std::vector<OrderTarget> targets;
  std::optional<std::chrono::nanoseconds> grace;         // kStop; empty: each node's own
  std::optional<std::chrono::nanoseconds> hold_for;      // kHold: always there
  std::optional<std::chrono::nanoseconds> time_to_live;  // empty: kDefaultTimeToLive
  std::string reason;
  // Who asked, from their certificate ("operator/alice"): set by the shell, never by the caller.
  std::string issuer;
  // kStop, of a plan that was applied: its hash, its filter (told, not recorded) and its pace.
  std::string plan_hash;
  std::string filter;
  Pace pace;

  // All orders leave at the start, without waiting for anything.
  bool GoesAtOnce() const { return !pace.SlowsDown(targets.size()); }
};

inline constexpr std::chrono::seconds kDefaultTimeToLive{30};
inline constexpr std::chrono::minutes kMostTimeToLive{5};
inline constexpr std::chrono::hours kMostGrace{1};
inline constexpr std::chrono::hours kMostHold{24};
inline constexpr size_t kMostTargetsPerRequest = 1000;
inline constexpr size_t kMostTargetsPerPlan = 10'000;
inline constexpr size_t kMostReasonBytes = 1000;

// INVALID_ARGUMENT says which part is wrong and what would be right.
absl::Status CheckOrderRequest(const OrderRequest& request,
                               size_t most_targets = kMostTargetsPerRequest);

// INVALID_ARGUMENT unless it is 1 to 64 of [A-Za-z0-9._-].
absl::Status CheckRequestId(std::string_view id);

// To do the same with the same targets in the same order, or to apply the same plan: a request id
// may be repeated only so.
bool SameTargets(const OrderRequest& a, const OrderRequest& b);

// ALREADY_EXISTS: the id was used for something else.
absl::Status OtherTargets(std::string_view request_id);

// "<request id>/<number of the target>"
std::string OrderId(std::string_view request_id, size_t target);

// The other way; empty if it is not of that form.
std::optional<std::pair<std::string_view, size_t>> ParseOrderId(std::string_view order_id);

// The verdict of an order that never left, for the controller's own log: `refusal` with one
// sentence. REFUSAL_UNSPECIFIED: the node is of a version that knows no such orders.
v1::Event RefusedVerdict(const OrderRequest& request, size_t target, v1::Refusal refusal,
                         WallTime at);

}  // namespace procctl::controller
