// Orders for a node's local socket, and what its events say became of them. Pure.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "procctl/v1/fleet_service.pb.h"
#include "procctl/v1/local.pb.h"

namespace procctl::cli {

// One for each target, in their order. `since_boot`: CLOCK_BOOTTIME now.
std::vector<v1::LocalOrder> OrdersOf(const v1::KillSlotsRequest& request,
                                     std::chrono::nanoseconds since_boot);
std::vector<v1::LocalOrder> OrdersOf(const v1::HoldSlotsRequest& request,
                                     std::chrono::nanoseconds since_boot);
std::vector<v1::LocalOrder> OrdersOf(const v1::ControlProgramsRequest& request,
                                     std::chrono::nanoseconds since_boot);

const std::string& OrderIdOf(const v1::LocalOrder& order);

// From a reply to an order: an event of it, or an error.
v1::TargetProgress ProgressOf(int target, const std::string& order_id, const v1::LocalReply& reply);
v1::HoldOutcome HoldOutcomeOf(const std::string& order_id, const v1::LocalReply& reply);
v1::ProgramOutcome ProgramOutcomeOf(const std::string& order_id, const v1::LocalReply& reply);

// Of targets that all have their end.
v1::KillSummary SummaryOf(const std::vector<v1::TargetProgress>& outcomes);

}  // namespace procctl::cli
