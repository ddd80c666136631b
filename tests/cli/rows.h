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

inline v1::FleetProgram ProgramRow(const std::string& node, const std::string& label,
                                   v1::ProgramState state, int pid = 0) {
  v1::FleetProgram row;
  row.set_node(node);
  row.set_node_state(v1::NODE_STATE_CONNECTED);
  row.mutable_age()->set_seconds(1);
  v1::Program* program = row.mutable_program();
  program->set_label(label);
  program->set_name(label.substr(0, label.find('@')));
  program->set_instance(1);
  program->set_state(state);
  program->set_door(v1::DOOR_PROGRAM);
  program->set_starts(1);
  if (pid > 0) {
    *program->mutable_incarnation() =
        Row(node, label, v1::SLOT_STATE_ALIVE, pid).slot().incarnation();
    program->mutable_started_at()->set_seconds(kNoon - 60);
    program->set_run(label + "/1");
  }
  return row;
}

// It runs in a new life, as the process `pid`.
inline void Restarted(int pid, v1::FleetProgram* row) {
  v1::Program* program = row->mutable_program();
  const int64_t starts = program->starts() + 1;
  *program = ProgramRow(row->node(), program->label(), v1::PROGRAM_STATE_RUNNING, pid).program();
  program->set_starts(starts);
  program->set_run(program->label() + "/" + std::to_string(starts));
}

// It ended with exit code 3 in a new life, and waits.
inline void FailedAgain(v1::ProgramState state, v1::FleetProgram* row) {
  v1::Program* program = row->mutable_program();
  const int64_t starts = program->starts() + 1;
  *program = ProgramRow(row->node(), program->label(), state).program();
  program->set_starts(starts);
  program->mutable_last_death()->set_cause(v1::CAUSE_EXIT);
  program->mutable_last_death()->set_status_known(true);
  program->mutable_last_death()->set_exit_code(3);
}

}  // namespace procctl::cli::testing
