#include "cli/local_order.h"

#include "proto/support/time_convert.h"
#include "spdlog/fmt/fmt.h"

namespace procctl::cli {
namespace {

using std::chrono::nanoseconds;

// Where the request names none (order.proto).
constexpr std::chrono::seconds kUsualTimeToLive{30};

// What orders of every kind have in common; the node sets the issuer itself.
template <typename Request, typename Order>
void Fill(const Request& request, int target, Order* order) {
  order->set_order_id(fmt::format("{}/{}", request.request_id(), target));
  order->set_reason(request.reason());
  *order->mutable_time_to_live() =
      request.has_time_to_live() ? request.time_to_live() : ToProto(nanoseconds(kUsualTimeToLive));
}

template <typename Request>
nanoseconds End(const Request& request, nanoseconds since_boot) {
  return since_boot + (request.has_time_to_live() ? FromProto(request.time_to_live())
                                                  : nanoseconds(kUsualTimeToLive));
}

// An event that ends an order: was it obeyed, and if not, why?
template <typename Outcome>
Outcome OutcomeOf(const std::string& order_id, const v1::LocalReply& reply) {
  Outcome outcome;
  outcome.set_order_id(order_id);
  if (reply.has_error()) {
    outcome.set_message(reply.error().message());
    return outcome;
  }
  const v1::Event& event = reply.event();
  // An event of its own says this; to the caller it is an order that was not obeyed.
  const bool refused = event.kind() == v1::EVENT_KIND_CONFIG_REFUSED;
  outcome.set_done(event.kind() != v1::EVENT_KIND_VERDICT && !refused);
  outcome.set_verdict(refused ? v1::VERDICT_REFUSED : event.verdict());
  outcome.set_refusal(event.refusal());
  outcome.set_message(event.message());
  return outcome;
}

}  // namespace

std::vector<v1::LocalOrder> OrdersOf(const v1::KillSlotsRequest& request, nanoseconds since_boot) {
  std::vector<v1::LocalOrder> orders;
  for (int i = 0; i < request.targets_size(); ++i) {
    v1::LocalOrder& order = orders.emplace_back();
    Fill(request, i, order.mutable_kill());
    order.mutable_kill()->set_slot(request.targets(i).slot());
    *order.mutable_kill()->mutable_incarnation() = request.targets(i).incarnation();
    if (request.has_grace()) *order.mutable_kill()->mutable_grace() = request.grace();
    *order.mutable_expires_at() = ToProto(End(request, since_boot));
  }
  return orders;
}

std::vector<v1::LocalOrder> OrdersOf(const v1::HoldSlotsRequest& request, nanoseconds since_boot) {
  std::vector<v1::LocalOrder> orders;
  for (int i = 0; i < request.targets_size(); ++i) {
    v1::LocalOrder& order = orders.emplace_back();
    Fill(request, i, order.mutable_hold());
    order.mutable_hold()->set_slot(request.targets(i).slot());
    *order.mutable_hold()->mutable_incarnation() = request.targets(i).incarnation();
    order.mutable_hold()->set_release(request.release());
    if (request.has_hold_for()) *order.mutable_hold()->mutable_hold_for() = request.hold_for();
    *order.mutable_expires_at() = ToProto(End(request, since_boot));
  }
  return orders;
}

std::vector<v1::LocalOrder> OrdersOf(const v1::ControlProgramsRequest& request,
                                     nanoseconds since_boot) {
  std::vector<v1::LocalOrder> orders;
  for (int i = 0; i < request.targets_size(); ++i) {
    v1::LocalOrder& order = orders.emplace_back();
    Fill(request, i, order.mutable_program());
    order.mutable_program()->set_action(request.action());
    order.mutable_program()->set_program(request.targets(i).program());
    if (request.targets(i).has_incarnation()) {
      *order.mutable_program()->mutable_incarnation() = request.targets(i).incarnation();
    }
    *order.mutable_expires_at() = ToProto(End(request, since_boot));
  }
  return orders;
}

const std::string& OrderIdOf(const v1::LocalOrder& order) {
  if (order.has_hold()) return order.hold().order_id();
  return order.has_program() ? order.program().order_id() : order.kill().order_id();
}

v1::TargetProgress ProgressOf(int target, const std::string& order_id,
                              const v1::LocalReply& reply) {
  v1::TargetProgress progress;
  progress.set_target(target);
  progress.set_order_id(order_id);
  if (reply.has_error()) {
    progress.set_phase(v1::KILL_PHASE_UNRESOLVED);
    progress.set_done(true);
    progress.set_message(reply.error().message());
    return progress;
  }
  const v1::Event& event = reply.event();
  progress.set_phase(v1::KILL_PHASE_DISPATCHED);
  if (event.kind() == v1::EVENT_KIND_TERM_SENT) progress.set_phase(v1::KILL_PHASE_TERM_SENT);
  if (event.kind() == v1::EVENT_KIND_KILL_SENT) progress.set_phase(v1::KILL_PHASE_KILL_SENT);
  progress.set_kill_sent(event.kill_sent() || event.kind() == v1::EVENT_KIND_KILL_SENT);
  *progress.mutable_took() = event.took();
  progress.set_message(event.message());
  if (!reply.last()) return progress;
  progress.set_phase(v1::KILL_PHASE_DONE);
  progress.set_done(true);
  progress.set_verdict(event.verdict());
  progress.set_refusal(event.refusal());
  return progress;
}

v1::HoldOutcome HoldOutcomeOf(const std::string& order_id, const v1::LocalReply& reply) {
  auto outcome = OutcomeOf<v1::HoldOutcome>(order_id, reply);
  if (reply.event().has_hold_until()) *outcome.mutable_until() = reply.event().hold_until();
  return outcome;
}

v1::ProgramOutcome ProgramOutcomeOf(const std::string& order_id, const v1::LocalReply& reply) {
  return OutcomeOf<v1::ProgramOutcome>(order_id, reply);
}

v1::KillSummary SummaryOf(const std::vector<v1::TargetProgress>& outcomes) {
  v1::KillSummary summary;
  for (const v1::TargetProgress& outcome : outcomes) {
    switch (outcome.verdict()) {
      case v1::VERDICT_EXITED_ON_TERM:
      case v1::VERDICT_KILLED:
        summary.set_stopped(summary.stopped() + 1);
        break;
      case v1::VERDICT_GONE_ALREADY:
        summary.set_already_gone(summary.already_gone() + 1);
        break;
      case v1::VERDICT_IDENTITY_MISMATCH:
        summary.set_not_the_same(summary.not_the_same() + 1);
        break;
      default:  // every other end is a failure
        summary.set_failed(summary.failed() + 1);
    }
  }
  return summary;
}

}  // namespace procctl::cli
