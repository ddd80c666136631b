// What an order is worth before anybody is signalled: well-formed, in time, and about a process
// that is still the one it names.
#pragma once

#include <optional>
#include <string>

#include "node/core/mono_time.h"
#include "procctl/v1/link.pb.h"

namespace procctl::node {

// Bounds documented in order.proto.
inline constexpr Nanos kMostGrace = std::chrono::hours(1);
inline constexpr Nanos kMostHold = std::chrono::hours(24);
inline constexpr Nanos kMostTimeToLive = std::chrono::minutes(5);
inline constexpr Nanos kDefaultTimeToLive = std::chrono::seconds(30);

// The end of an order that goes no further.
struct OrderEnd {
  v1::Verdict verdict = v1::VERDICT_UNSPECIFIED;
  v1::Refusal refusal = v1::REFUSAL_UNSPECIFIED;
  std::string message;
};

// Malformed or expired; nullopt if it may go on. `since_boot` is CLOCK_BOOTTIME, which the uplink
// stamped the order's end with: so an order that lay in the socket of a stopped guardian is not
// executed late. An order without a usable id has no verdict at all: see HasOrderId.
std::optional<OrderEnd> CheckShape(const v1::LinkOrder& link_order, Nanos since_boot);
// The part of it that every order has, also one that names no process: reason and time.
std::optional<OrderEnd> CheckTime(const v1::LinkOrder& link_order, Nanos since_boot);
bool HasOrderId(const v1::Order& order);

// Beyond what it shares with an order to stop: a hold has a length within bounds and a reason.
std::optional<OrderEnd> CheckHold(const v1::HoldOrder& hold);

// The node's own grace where the order names none.
Nanos GraceOf(const v1::Order& order, Nanos default_grace);

// What is known of the process an order names.
struct OrderFacts {
  std::string boot_id;
  // A slot with exactly this generation, pid and start time is in the table.
  bool slot_matches = false;
  // The process holds slots, if perhaps not this one.
  bool process_guarded = false;
  // Start time now found under the pid; absent if there is no such pid.
  std::optional<int64_t> start_ticks;
};

// Nullopt: it is the very process, and guarded. Otherwise GONE_ALREADY, IDENTITY_MISMATCH, REFUSED
// (NOT_GUARDED) or, for an order that an earlier guardian may have executed, UNKNOWN_AFTER_CRASH.
std::optional<OrderEnd> CheckTarget(const v1::LinkOrder& order, const OrderFacts& facts);

}  // namespace procctl::node
