#include "controller/rpc/plan_desk.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "controller/core/match_all.h"
#include "controller/rpc/clocks.h"
#include "proto/support/escape.h"
#include "proto/support/filter_schemas.h"
#include "proto/support/time_convert.h"
#include "spdlog/fmt/fmt.h"

namespace procctl::controller {
namespace {

// Rows looked at per hold of the fleet's lock: some milliseconds.
constexpr size_t kRowsPerHold = 20'000;
constexpr size_t kHashBytes = 64;

absl::Status TooMany(std::string_view what, size_t targets, const RoleLimits& limits) {
  return absl::FailedPreconditionError(
      fmt::format("{} {}; this role may stop at most {} at a time: narrow it down", targets, what,
                  limits.at_most));
}

// What can be wrong with a plan beside its targets, in the words of an order.
absl::Status Check(const OrderRequest& request) {
  OrderRequest order = request;
  order.id = "plan";
  return CheckOrderRequest(order, kMostTargetsPerPlan);
}

v1::PlanKillResponse ToMessage(const OrderRequest& request, const std::vector<ChosenSlot>& chosen,
                               const std::string& confirm_because) {
  v1::PlanKillResponse response;
  response.set_plan_hash(request.plan_hash);
  for (const ChosenSlot& slot : chosen) {
    v1::PlannedTarget* target = response.add_targets();
    target->mutable_target()->set_node(slot.target.node);
    target->mutable_target()->set_slot(slot.target.label);
    *target->mutable_target()->mutable_incarnation() = slot.target.incarnation;
    target->set_name(slot.target.name);
    target->set_state(slot.state);
    target->set_outcome(slot.target.planned);
    target->set_batch(slot.target.batch);
    ++(*response.mutable_outcomes())[slot.target.planned];
  }
  response.set_batches(BatchesOf(chosen.size(), request.pace));
  response.set_confirm_needed(!confirm_because.empty());
  response.set_confirm_because(confirm_because);
  *response.mutable_expires_at() = ToProto(WallNow() + PlanDesk::kKept);
  return response;
}

}  // namespace

absl::Status PlanDesk::ByFilter(const std::string& filter, const RoleLimits& limits,
                                std::vector<ChosenSlot>* chosen, bool* everybody) const {
  const auto parsed = Filter::Parse(AsFilter(filter), SlotFilterSchema());
  if (!parsed.ok()) return parsed.status();
  if (absl::Status keys = CheckKillFilter(*parsed); !keys.ok()) return keys;
  const SlotQuery query{.filter = &*parsed, .now = MonoNow(), .wall_now = WallNow()};
  size_t matching = 0;
  size_t slots = 0;
  std::optional<RowKeyset> at = RowKeyset{};
  while (at) {
    fleet_->Read([&](const FleetView& view) {
      slots = static_cast<size_t>(view.summary().slots);
      at = view.VisitSlots(query, *at, kRowsPerHold, [&](const NodeRow& node, const SlotRow& slot) {
        // All are counted, so that the refusal can say how many.
        if (++matching <= static_cast<size_t>(limits.at_most)) {
          chosen->push_back(Choose(view, node, slot));
        }
        return true;
      });
    });
  }
  if (matching == 0) {
    return absl::NotFoundError(
        fmt::format("no slot matches \"{}\"; nobody is signalled", Escape(filter)));
  }
  if (matching > static_cast<size_t>(limits.at_most)) {
    return TooMany(fmt::format("slots match \"{}\"", Escape(filter)), matching, limits);
  }
  // A filter that just happens to match all there is means no less.
  *everybody = IsMatchAll(filter) || (matching == slots && slots > 1);
  return absl::OkStatus();
}

absl::Status PlanDesk::ByName(const v1::PlanKillRequest& request, const RoleLimits& limits,
                              std::vector<ChosenSlot>* chosen) const {
  const auto targets = static_cast<size_t>(request.targets_size());
  if (targets > static_cast<size_t>(limits.at_most)) return TooMany("targets", targets, limits);
  fleet_->Read([&](const FleetView& view) {
    for (const v1::KillTarget& target : request.targets()) {
      chosen->push_back(Choose(view, target));
    }
  });
  return absl::OkStatus();
}

absl::StatusOr<v1::PlanKillResponse> PlanDesk::Plan(const v1::PlanKillRequest& request,
                                                    const Identity& caller) {
  if (absl::Status pace = CheckPace(request.pace()); !pace.ok()) return pace;
  const bool by_name = request.targets_size() > 0;
  if (by_name && !request.filter().empty()) {
    return absl::InvalidArgumentError("filter and targets do not go together; send one of them");
  }
  const RoleLimits limits = LimitsOf(caller.role == Role::kAdmin, limits_);
  std::vector<ChosenSlot> chosen;
  bool everybody = false;
  const absl::Status resolved = by_name ? ByName(request, limits, &chosen)
                                        : ByFilter(request.filter(), limits, &chosen, &everybody);
  if (!resolved.ok()) return resolved;

  Kept plan;
  OrderRequest& order = plan.request;
  order.issuer = caller.ToString();
  order.reason = request.reason();
  if (request.has_grace()) order.grace = FromProto(request.grace());
  order.pace = PaceOf(request.pace());
  if (!by_name)
    order.filter = everybody && AsFilter(request.filter()).empty() ? "*" : request.filter();
  chosen = Arrange(std::move(chosen), order.pace);
  for (const ChosenSlot& slot : chosen) order.targets.push_back(slot.target);
  if (absl::Status checked = Check(order); !checked.ok()) return checked;
  order.plan_hash = PlanHash(order);
  plan.confirm_because = ConfirmBecause(chosen.size(), limits, everybody, request.filter());
  const MonoTime now = MonoNow();
  plan.until = now + kKept;
  v1::PlanKillResponse response = ToMessage(order, chosen, plan.confirm_because);
  if (absl::Status kept = Keep(std::move(plan), now); !kept.ok()) return kept;
  return response;
}

void PlanDesk::Drop(std::map<std::string, Kept>::iterator plan) {
  targets_ -= plan->second.request.targets.size();
  plans_.erase(plan);
}

absl::Status PlanDesk::Keep(Kept plan, MonoTime now) {
  absl::MutexLock lock(&mutex_);
  for (auto it = plans_.begin(); it != plans_.end();) {
    const auto next = std::next(it);
    if (it->second.until < now) Drop(it);
    it = next;
  }
  const std::string hash = plan.request.plan_hash;
  // Planned again: as new.
  if (const auto same = plans_.find(hash); same != plans_.end()) Drop(same);
  const size_t targets = plan.request.targets.size();
  while (plans_.size() >= kMostPlans || targets_ + targets > kMostPlannedTargets) {
    // Whoever plans much loses plans of his own, never those of others.
    auto oldest = plans_.end();
    for (auto it = plans_.begin(); it != plans_.end(); ++it) {
      if (it->second.request.issuer != plan.request.issuer) continue;
      if (oldest == plans_.end() || it->second.until < oldest->second.until) oldest = it;
    }
    if (oldest == plans_.end()) {
      return absl::UnavailableError(
          "too many plans of others are kept; each is for 15 minutes at most, try again");
    }
    Drop(oldest);
  }
  targets_ += targets;
  plans_.emplace(hash, std::move(plan));
  return absl::OkStatus();
}

PlanDesk::Order PlanDesk::Apply(const v1::ApplyKillRequest& request, const Identity& caller) {
  Order order;
  order.request.id = request.request_id();
  order.request.plan_hash = request.plan_hash();
  order.request.issuer = caller.ToString();
  absl::MutexLock lock(&mutex_);
  const auto found =
      request.plan_hash().size() == kHashBytes ? plans_.find(request.plan_hash()) : plans_.end();
  if (found == plans_.end() || found->second.until < MonoNow()) {
    order.if_new = absl::NotFoundError(
        "no such plan: plans are kept for 15 minutes, and not over a restart of the controller; "
        "plan again. Nobody is signalled");
    return order;
  }
  Kept& plan = found->second;
  if (plan.request.issuer != order.request.issuer) {
    order.if_new = absl::PermissionDeniedError(fmt::format(
        "this plan is of {}; plan for yourself. Nobody is signalled", plan.request.issuer));
    return order;
  }
  const auto targets = static_cast<int>(plan.request.targets.size());
  const bool confirmed = request.confirm_targets() == targets;
  if (!confirmed && (!plan.confirm_because.empty() || request.confirm_targets() != 0)) {
    order.if_new = absl::FailedPreconditionError(fmt::format(
        "{}: confirm_targets must be {}, and is {}. Nobody is signalled",
        plan.confirm_because.empty() ? "the plan is of other targets" : plan.confirm_because,
        targets, request.confirm_targets()));
    return order;
  }
  if (!plan.applied_as.empty() && plan.applied_as != request.request_id()) {
    order.if_new = absl::FailedPreconditionError(
        fmt::format("this plan is applied already, as order {}; plan again. Nobody is signalled",
                    plan.applied_as));
    return order;
  }
  plan.applied_as = request.request_id();
  order.request = plan.request;
  order.request.id = request.request_id();
  return order;
}

}  // namespace procctl::controller
