// Between the core's plain data and the messages of fleet_service.proto.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "controller/core/answer_book.h"
#include "controller/core/fleet_view.h"
#include "controller/core/order_book.h"
#include "controller/core/order_request.h"
#include "controller/core/order_standing.h"
#include "controller/store/history.h"
#include "procctl/v1/fleet_service.pb.h"

namespace procctl::controller {

void ToMessage(const NodeRow& node, MonoTime now, v1::Node* message);
void ToMessage(const NodeRow& node, const SlotRow& slot, MonoTime now, v1::FleetSlot* message);
// The serialised v1::FleetSlot. For many rows of a node use a SlotWire.
void AppendFleetSlot(const NodeRow& node, const SlotRow& slot, MonoTime now, std::string* out);
void ToMessage(const NodeRow& node, const ProgramRow& program, MonoTime now,
               v1::FleetProgram* message);
void ToMessage(const FleetSummary& summary, v1::FleetSummary* message);
void ToMessage(const Progress& progress, v1::TargetProgress* message);
void ToMessage(const OrderStanding& standing, v1::OrderStatus* message);
void ToMessage(const Outcome& outcome, v1::HoldOutcome* message);
void ToMessage(const Outcome& outcome, v1::ProgramOutcome* message);
void ToMessage(LoggedEvent logged, v1::StoredEvent* message);

// Without an issuer: that comes from the certificate.
OrderRequest FromMessage(const v1::KillSlotsRequest& message);
OrderRequest FromMessage(const v1::HoldSlotsRequest& message);
// INVALID_ARGUMENT for an action that this version does not know.
absl::StatusOr<OrderRequest> FromMessage(const v1::ControlProgramsRequest& message);

}  // namespace procctl::controller
