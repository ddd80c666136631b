// Plans and orders to stop as text. Pure.
#pragma once

#include <string>
#include <vector>

#include "procctl/v1/fleet_service.pb.h"

namespace procctl::cli {

// A table of who will be stopped, in that order, and a line of what will become of them.
std::string RenderPlan(const v1::PlanKillResponse& plan, const v1::Pace& pace, bool colour);
// The same for programs, one document.
std::string PlanJson(const v1::PlanKillResponse& plan);

// Newest first.
std::string RenderOrders(const std::vector<v1::OrderStatus>& orders, bool colour);
std::string OrdersJson(const std::vector<v1::OrderStatus>& orders);

// "order r-1: paused by operator/alice: lunch; 3 of 10 done, 0 failed, 2 under way, 5 waiting"
std::string OrderLine(const v1::OrderStatus& order);

// "at most 2 at a time, in 5 batches with 30s between"
std::string PaceText(const v1::Pace& pace, int batches);

}  // namespace procctl::cli
