#include "controller/core/order_recovery.h"

namespace procctl::controller {
namespace {

// QUIET and BUSY come only after ALIVE, which nobody may have looked at in time.
bool Beats(v1::SlotState state) {
  return state == v1::SLOT_STATE_ALIVE || state == v1::SLOT_STATE_QUIET ||
         state == v1::SLOT_STATE_BUSY;
}

bool IsAtRest(v1::ProgramState state) {
  return state == v1::PROGRAM_STATE_STOPPED || state == v1::PROGRAM_STATE_DONE ||
         state == v1::PROGRAM_STATE_SCHEDULED;
}

}  // namespace

bool IsBack(const FleetView& view, const AwaitedTarget& awaited) {
  const NodeRow* node = view.FindNode(awaited.node);
  if (node == nullptr || node->state != NodeState::kConnected) return false;
  const SlotRow* slot = view.FindSlot(awaited.node, awaited.label);
  if (slot != nullptr) {
    return slot->generation != awaited.incarnation.generation() && Beats(slot->state);
  }
  const ProgramRow* program = view.FindProgram(awaited.node, awaited.label);
  return program == nullptr || IsAtRest(program->state);
}

}  // namespace procctl::controller
