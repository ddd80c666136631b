// Kills that were planned and may be applied: from a filter or from named targets to a plan that
// says what will happen, and from its hash back to the order that does exactly that.
//
// Plans live in memory, for kKept: a controller that was started again knows none, and starts none.
// Thread-safe; a filter over a large fleet takes some milliseconds for each 100,000 slots, so
// Plan is not for gRPC's threads.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "controller/core/kill_plan.h"
#include "controller/core/order_limits.h"
#include "controller/core/order_request.h"
#include "controller/rpc/fleet.h"
#include "procctl/v1/fleet_service.pb.h"
#include "proto/support/peer_identity.h"

namespace procctl::controller {

class PlanDesk {
 public:
  static constexpr std::chrono::minutes kKept{15};
  static constexpr size_t kMostPlans = 1000;
  static constexpr size_t kMostPlannedTargets = 100'000;

  // `fleet` outlives this.
  PlanDesk(const OrderLimits& limits, const Fleet* fleet) : limits_(limits), fleet_(fleet) {}

  // Changes nothing but that the plan can be applied. INVALID_ARGUMENT, NOT_FOUND (nothing
  // matches), FAILED_PRECONDITION (more targets than this role may ever stop at a time),
  // UNAVAILABLE (too many plans are kept).
  absl::StatusOr<v1::PlanKillResponse> Plan(const v1::PlanKillRequest& request,
                                            const Identity& caller);

  struct Order {
    // Without targets where there is no such plan.
    OrderRequest request;
    // Why it must not begin, if it has not: NOT_FOUND, PERMISSION_DENIED, FAILED_PRECONDITION.
    absl::Status if_new;
  };
  // A plan is applied under one request id only.
  Order Apply(const v1::ApplyKillRequest& request, const Identity& caller);

 private:
  struct Kept {
    OrderRequest request;
    std::string confirm_because;  // empty: nothing to confirm
    MonoTime until;
    std::string applied_as;
  };
  absl::Status ByFilter(const std::string& filter, const RoleLimits& limits,
                        std::vector<ChosenSlot>* chosen, bool* everybody) const;
  absl::Status ByName(const v1::PlanKillRequest& request, const RoleLimits& limits,
                      std::vector<ChosenSlot>* chosen) const;
  absl::Status Keep(Kept plan, MonoTime now);
  void Drop(std::map<std::string, Kept>::iterator plan) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const OrderLimits limits_;
  const Fleet* const fleet_;
  absl::Mutex mutex_;
  std::map<std::string, Kept> plans_ ABSL_GUARDED_BY(mutex_);  // by hash
  size_t targets_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace procctl::controller
