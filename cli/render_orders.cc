#include "cli/render_orders.h"

#include "cli/cell.h"
#include "cli/json.h"
#include "cli/names.h"
#include "cli/table.h"
#include "cli/target.h"
#include "cli/time_text.h"
#include "proto/support/duration_text.h"
#include "proto/support/escape.h"
#include "proto/support/time_convert.h"
#include "spdlog/fmt/fmt.h"

namespace procctl::cli {
namespace {

TableCell OutcomeCell(v1::PlannedOutcome outcome) {
  switch (outcome) {
    case v1::PLANNED_OUTCOME_STOP:
      return {"stopped"};
    case v1::PLANNED_OUTCOME_RESTART:
      return {"stopped, and started again by its node"};
    case v1::PLANNED_OUTCOME_HELD:
      return {"withheld: it is held", Colour::kYellow};
    case v1::PLANNED_OUTCOME_UNREACHABLE:
      return {"not sent: its node cannot be heard", Colour::kYellow};
    default:
      return {fmt::format("{}", static_cast<int>(outcome))};
  }
}

std::string_view StateWord(v1::OrderState state) {
  switch (state) {
    case v1::ORDER_STATE_RUNNING:
      return "running";
    case v1::ORDER_STATE_PAUSED:
      return "paused";
    case v1::ORDER_STATE_HALTED:
      return "halted";
    case v1::ORDER_STATE_CANCELLED:
      return "cancelled";
    case v1::ORDER_STATE_FINISHED:
      return "finished";
    default:
      return "?";
  }
}

Colour ColourOf(v1::OrderState state) {
  switch (state) {
    case v1::ORDER_STATE_RUNNING:
      return Colour::kGreen;
    case v1::ORDER_STATE_PAUSED:
      return Colour::kYellow;
    case v1::ORDER_STATE_HALTED:
      return Colour::kRed;
    default:
      return Colour::kNone;
  }
}

int Count(const v1::PlanKillResponse& plan, v1::PlannedOutcome outcome) {
  const auto found = plan.outcomes().find(outcome);
  return found == plan.outcomes().end() ? 0 : found->second;
}

}  // namespace

std::string PaceText(const v1::Pace& pace, int batches) {
  std::string text;
  if (pace.max_unavailable() > 0) {
    text = fmt::format("at most {} at a time", pace.max_unavailable());
  }
  if (batches > 1) {
    text += fmt::format("{}in {} batches", text.empty() ? "" : ", ", batches);
    const auto pause = FromProto(pace.pause());
    if (pause.count() > 0) text += fmt::format(" with {} between", FormatDuration(pause));
  }
  return text.empty() ? "all at once" : text;
}

std::string RenderPlan(const v1::PlanKillResponse& plan, const v1::Pace& pace, bool colour) {
  Table table({"NODE", "SLOT", "PID", "STATE", "BATCH", "WILL BE"});
  for (const v1::PlannedTarget& target : plan.targets()) {
    const v1::KillTarget& who = target.target();
    table.Add({{Cell(who.node())},
               {Cell(who.slot())},
               {std::to_string(who.incarnation().pid())},
               {target.state() == v1::SLOT_STATE_UNSPECIFIED ? "-" : Word(target.state())},
               {std::to_string(target.batch())},
               OutcomeCell(target.outcome())});
  }
  std::string text =
      fmt::format("{}\n{} to stop, {}: {} for good", table.Render(colour), plan.targets_size(),
                  PaceText(pace, plan.batches()), Count(plan, v1::PLANNED_OUTCOME_STOP));
  if (const int restarted = Count(plan, v1::PLANNED_OUTCOME_RESTART); restarted > 0) {
    text += fmt::format(", {} started again by their nodes", restarted);
  }
  if (const int held = Count(plan, v1::PLANNED_OUTCOME_HELD); held > 0) {
    text += fmt::format(", {} held", held);
  }
  if (const int lost = Count(plan, v1::PLANNED_OUTCOME_UNREACHABLE); lost > 0) {
    text += fmt::format(", {} out of reach", lost);
  }
  return text + ".\n";
}

std::string PlanJson(const v1::PlanKillResponse& plan) {
  std::string targets;
  for (int i = 0; i < plan.targets_size(); ++i) {
    targets += i == 0 ? "\n" : ",\n";
    targets += JsonObject(plan.targets(i), IncarnationText(plan.targets(i).target().incarnation()));
  }
  return fmt::format(
      "{{\"apiVersion\":\"{}\",\"dryRun\":true,\"planHash\":{},\"batches\":{},"
      "\"confirmNeeded\":{},\"confirmBecause\":{},\"targets\":[{}]}}\n",
      kApiVersion, JsonString(plan.plan_hash()), plan.batches(), plan.confirm_needed(),
      JsonString(plan.confirm_because()), targets);
}

std::string RenderOrders(const std::vector<v1::OrderStatus>& orders, bool colour) {
  Table table(
      {"ORDER", "STATE", "BEGUN", "BY", "TARGETS", "DONE", "FAILED", "WAITING", "BATCH", "WHY"});
  for (const v1::OrderStatus& order : orders) {
    table.Add({{Cell(order.request_id())},
               {std::string(StateWord(order.state())), ColourOf(order.state())},
               {DateText(order.received_at())},
               {Cell(order.issuer())},
               {std::to_string(order.targets())},
               {std::to_string(order.done())},
               {std::to_string(order.failed()), order.failed() > 0 ? Colour::kRed : Colour::kNone},
               {std::to_string(order.waiting())},
               {fmt::format("{}/{}", order.batch(), order.batches())},
               {Printable(order.message())}});
  }
  const std::string rows = table.Render(colour);
  return rows.empty() ? "No orders.\n" : rows;
}

std::string OrdersJson(const std::vector<v1::OrderStatus>& orders) {
  std::string rows;
  for (size_t i = 0; i < orders.size(); ++i) {
    rows += (i == 0 ? "\n" : ",\n") + JsonObject(orders[i]);
  }
  return fmt::format("{{\"apiVersion\":\"{}\",\"orders\":[{}]}}\n", kApiVersion, rows);
}

std::string OrderLine(const v1::OrderStatus& order) {
  return fmt::format("order {}: {}; {} of {} done, {} failed, {} under way, {} waiting",
                     Cell(order.request_id()), Printable(order.message()), order.done(),
                     order.targets(), order.failed(), order.under_way(), order.waiting());
}

}  // namespace procctl::cli
