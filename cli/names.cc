#include "cli/names.h"

#include <string_view>

namespace procctl::cli {
namespace {

template <typename Enum>
std::string Lower(Enum value, const std::string& name, std::string_view prefix) {
  if (name.size() <= prefix.size()) return std::to_string(static_cast<int>(value));
  std::string word = name.substr(prefix.size());
  for (char& c : word) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return word;
}

}  // namespace

std::string Word(v1::SlotState state) {
  return Lower(state, v1::SlotState_Name(state), "SLOT_STATE_");
}
std::string Word(v1::Door door) { return Lower(door, v1::Door_Name(door), "DOOR_"); }
std::string Word(v1::NodeState state) {
  return Lower(state, v1::NodeState_Name(state), "NODE_STATE_");
}
std::string Word(v1::EventKind kind) {
  return Lower(kind, v1::EventKind_Name(kind), "EVENT_KIND_");
}
std::string Word(v1::Cause cause) { return Lower(cause, v1::Cause_Name(cause), "CAUSE_"); }
std::string Word(v1::Verdict verdict) {
  return Lower(verdict, v1::Verdict_Name(verdict), "VERDICT_");
}
std::string Word(v1::Refusal refusal) {
  return Lower(refusal, v1::Refusal_Name(refusal), "REFUSAL_");
}
std::string Word(v1::Symptom symptom) {
  return Lower(symptom, v1::Symptom_Name(symptom), "SYMPTOM_");
}
std::string Word(v1::HeldBy held_by) {
  return Lower(held_by, v1::HeldBy_Name(held_by), "HELD_BY_");
}
std::string Word(v1::ProgramState state) {
  return Lower(state, v1::ProgramState_Name(state), "PROGRAM_STATE_");
}
std::string Word(v1::ProgramAction action) {
  return Lower(action, v1::ProgramAction_Name(action), "PROGRAM_ACTION_");
}

}  // namespace procctl::cli
