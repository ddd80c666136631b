#include "controller/rpc/fleet_messages.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "controller/rpc/clocks.h"
#include "controller/rpc/slot_wire.h"
#include "proto/support/time_convert.h"
#include "spdlog/fmt/fmt.h"

namespace procctl::controller {
namespace {

google::protobuf::Duration Age(MonoTime then, MonoTime now) {
  return ToProto(std::max(now - then, MonoClock::duration(0)));
}

std::optional<Act> ActOf(v1::ProgramAction action) {
  switch (action) {
    case v1::PROGRAM_ACTION_START:
      return Act::kProgramStart;
    case v1::PROGRAM_ACTION_STOP:
      return Act::kProgramStop;
    case v1::PROGRAM_ACTION_RESTART:
      return Act::kProgramRestart;
    case v1::PROGRAM_ACTION_RETRY:
      return Act::kProgramRetry;
    case v1::PROGRAM_ACTION_RELOAD:
      return Act::kReload;
    default:
      // A number of a newer version too.
      return std::nullopt;
  }
}

}  // namespace

void ToMessage(const NodeRow& node, MonoTime now, v1::Node* message) {
  message->set_id(node.id);
  message->set_state(static_cast<v1::NodeState>(node.state));
  message->set_software_version(node.facts.software_version);
  message->set_hostname(node.facts.hostname);
  message->set_kernel(node.facts.kernel);
  message->set_boot_id(node.facts.boot_id);
  message->set_mode(node.facts.mode);
  message->set_guardian_uid(node.facts.guardian_uid);
  message->set_peer(node.facts.peer);
  message->set_slots(node.slots);
  message->set_slots_in_trouble(node.in_trouble);
  if (node.session_epoch != 0) *message->mutable_connected_at() = ToProto(node.connected_at);
  *message->mutable_age() = Age(node.last_heard, now);
  message->set_events_waiting(node.events_waiting);
  message->set_session_epoch(node.session_epoch);
  const NodeVitals& vitals = node.vitals;
  if (vitals.skew) *message->mutable_skew() = ToProto(*vitals.skew);
  if (vitals.load_per_mille) message->set_load_per_mille(*vitals.load_per_mille);
  if (vitals.lag) *message->mutable_lag() = ToProto(*vitals.lag);
  message->set_goodbye(node.goodbye);
}

void AppendFleetSlot(const NodeRow& node, const SlotRow& slot, MonoTime now, std::string* out) {
  SlotWire(now, WallNow()).Append(node, slot, out);
}

void ToMessage(const NodeRow& node, const SlotRow& slot, MonoTime now, v1::FleetSlot* message) {
  std::string wire;
  AppendFleetSlot(node, slot, now, &wire);
  // It was written here: it can be read.
  (void)message->ParseFromString(wire);
}

void ToMessage(const NodeRow& node, const ProgramRow& program, MonoTime now,
               v1::FleetProgram* message) {
  message->set_node(node.id);
  *message->mutable_program() = program.Unpack();
  message->set_node_state(static_cast<v1::NodeState>(node.state));
  *message->mutable_age() = Age(node.last_heard, now);
}

void ToMessage(const FleetSummary& summary, v1::FleetSummary* message) {
  message->set_nodes_connected(summary.connected);
  message->set_nodes_suspect(summary.suspect);
  message->set_nodes_lost(summary.lost);
  message->set_nodes_draining(summary.draining);
  message->set_slots(summary.slots);
  message->set_slots_in_trouble(summary.in_trouble);
  message->set_slots_stale(summary.stale);
}

void ToMessage(const Progress& progress, v1::TargetProgress* message) {
  message->set_target(static_cast<int>(progress.target));
  message->set_order_id(progress.order_id);
  message->set_phase(static_cast<v1::KillPhase>(progress.phase));
  message->set_done(progress.done);
  message->set_verdict(progress.verdict);
  message->set_refusal(progress.refusal);
  *message->mutable_took() = ToProto(progress.took);
  message->set_kill_sent(progress.kill_sent);
  message->set_message(progress.message);
}

void ToMessage(const OrderStanding& standing, v1::OrderStatus* message) {
  message->set_request_id(standing.request_id);
  message->set_state(standing.state);
  message->set_message(standing.message);
  message->set_issuer(standing.issuer);
  message->set_reason(standing.reason);
  *message->mutable_received_at() = ToProto(standing.received_at);
  message->set_targets(standing.targets);
  message->set_waiting(standing.waiting);
  message->set_under_way(standing.under_way);
  message->set_done(standing.done);
  message->set_failed(standing.failed);
  message->set_batch(standing.batch);
  message->set_batches(standing.batches);
  *message->mutable_pace() = MessageOf(standing.pace);
}

void ToMessage(const Outcome& outcome, v1::HoldOutcome* message) {
  message->set_order_id(outcome.order_id);
  message->set_done(outcome.done);
  message->set_verdict(outcome.verdict);
  message->set_refusal(outcome.refusal);
  message->set_message(outcome.message);
  if (outcome.until) *message->mutable_until() = ToProto(*outcome.until);
}

void ToMessage(const Outcome& outcome, v1::ProgramOutcome* message) {
  message->set_order_id(outcome.order_id);
  message->set_done(outcome.done);
  message->set_verdict(outcome.verdict);
  message->set_refusal(outcome.refusal);
  message->set_message(outcome.message);
}

void ToMessage(LoggedEvent logged, v1::StoredEvent* message) {
  *message->mutable_event() = std::move(logged.event);
  message->set_position(logged.position);
  *message->mutable_received_at() = ToProto(logged.received_at);
  if (logged.skew) *message->mutable_skew() = ToProto(*logged.skew);
}

OrderRequest FromMessage(const v1::KillSlotsRequest& message) {
  OrderRequest request;
  request.id = message.request_id();
  for (const v1::KillTarget& target : message.targets()) {
    request.targets.push_back({target.node(), target.slot(), target.incarnation(), false});
  }
  if (message.has_grace()) request.grace = FromProto(message.grace());
  if (message.has_time_to_live()) request.time_to_live = FromProto(message.time_to_live());
  request.reason = message.reason();
  return request;
}

OrderRequest FromMessage(const v1::HoldSlotsRequest& message) {
  OrderRequest request;
  request.id = message.request_id();
  request.act = message.release() ? Act::kRelease : Act::kHold;
  for (const v1::KillTarget& target : message.targets()) {
    request.targets.push_back({target.node(), target.slot(), target.incarnation(), false});
  }
  if (message.has_hold_for()) request.hold_for = FromProto(message.hold_for());
  if (message.has_time_to_live()) request.time_to_live = FromProto(message.time_to_live());
  request.reason = message.reason();
  return request;
}

absl::StatusOr<OrderRequest> FromMessage(const v1::ControlProgramsRequest& message) {
  const std::optional<Act> act = ActOf(message.action());
  if (!act) {
    return absl::InvalidArgumentError(
        fmt::format("action {} is none; it must be START, STOP, RESTART, RETRY or RELOAD",
                    static_cast<int>(message.action())));
  }
  OrderRequest request;
  request.id = message.request_id();
  request.act = *act;
  for (const v1::ProgramTarget& target : message.targets()) {
    request.targets.push_back(
        {target.node(), target.program(), target.incarnation(), !target.has_incarnation()});
  }
  if (message.has_time_to_live()) request.time_to_live = FromProto(message.time_to_live());
  request.reason = message.reason();
  return request;
}

}  // namespace procctl::controller
