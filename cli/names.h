// The protocol's enums as the words people see and type: lower case, without the enum's prefix
// ("term_sent", "exited_on_term"). A value of a newer protocol shows as its number.
#pragma once

#include <string>

#include "procctl/v1/event.pb.h"
#include "procctl/v1/fleet_service.pb.h"
#include "procctl/v1/order.pb.h"
#include "procctl/v1/program.pb.h"
#include "procctl/v1/slot.pb.h"

namespace procctl::cli {

std::string Word(v1::SlotState state);
std::string Word(v1::Door door);
std::string Word(v1::NodeState state);
std::string Word(v1::EventKind kind);
std::string Word(v1::Cause cause);
std::string Word(v1::Verdict verdict);
std::string Word(v1::Refusal refusal);
std::string Word(v1::Symptom symptom);
std::string Word(v1::HeldBy held_by);
std::string Word(v1::ProgramState state);
std::string Word(v1::ProgramAction action);

}  // namespace procctl::cli
