// Rows as a controller would send them.
#pragma once

#include <string>

#include "procctl/v1/fleet_service.pb.h"

namespace procctl::cli::testing {

// Noon of 2026-11-22, UTC.
inline constexpr int64_t kNoon = 1795348800;

inline v1::FleetSlot Row(const std::string& node, const std::string& label, v1::SlotState state,
                         int pid) {
  v1::FleetSlot row;
  row.set_node(node);
  row.set_node_state(v1::NODE_STATE_CONNECTED);
  row.mutable_age()->set_seconds(2);
  v1::Slot* slot = row.mutable_slot();
  slot->set_label(label);
  slot->set_name(label);
  slot->set_state(state);
  slot->set_door(v1::DOOR_NATIVE);
  slot->mutable_timeout()->set_seconds(5);
  slot->mutable_registered_at()->set_seconds(kNoon - 3600);
  v1::Incarnation* incarnation = slot->mutable_incarnation();
  incarnation->set_boot_id("b7e1f0c2");
  incarnation->set_pid(pid);
  incarnation->set_start_ticks(1000 + pid);
  incarnation->set_generation(7);
  return row;
}

}  // namespace procctl::cli::testing
