// What `describe` shows, from the protocol's messages. Pure, as all of render.h.
#pragma once

#include <chrono>
#include <string>

#include "google/protobuf/timestamp.pb.h"
#include "procctl/v1/detail.pb.h"
#include "procctl/v1/fleet_service.pb.h"

namespace procctl::cli {

// What the controller knows of a slot, with its age. Of a node that cannot be heard nothing is
// shown as if it were true now.
std::string RenderRow(const v1::FleetSlot& row, const google::protobuf::Timestamp& as_of);

// What the node itself told just now, `row.slot` included.
std::string RenderSlotDetail(const v1::FleetSlot& row, const v1::SlotDetail& detail,
                             const google::protobuf::Timestamp& as_of);

// What the controller knows of a node.
std::string RenderNode(const v1::Node& node);

std::string RenderNodeDetail(const v1::NodeDetail& detail);

// Gaps between beats as bars, and what follows from them. `timeout` is the one in force.
std::string RenderHeadroom(const v1::Headroom& headroom, std::chrono::nanoseconds timeout);

// One EVIDENCE event: everything in it, threads as a table, then their kernel stacks.
std::string RenderEvidence(const v1::Event& event);

}  // namespace procctl::cli
