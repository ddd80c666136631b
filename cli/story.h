// Why a process was stopped, or why it was not: what the records prove, in sentences. Pure.
//
// Each sentence rests on fields that are present. What is absent is said to be absent where it
// matters, and is never guessed: a story may be short, it is never wrong. Text of nodes and
// processes stands in quotes or passes Cell(), so that no name or note can forge a sentence.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "google/protobuf/timestamp.pb.h"
#include "procctl/v1/event.pb.h"
#include "procctl/v1/fleet_service.pb.h"

namespace procctl::cli {

struct StoryFacts {
  // All events of one kill, oldest first; or one event that belongs to no kill, alone. Among them
  // what belongs to it without its number: STATE_TAKEN_UP of its node, HOLD_PLACED and HOLD_ENDED
  // of its slot.
  std::vector<v1::Event> events;
  // The row that has the slot's label now. Absent: no row has it.
  std::optional<v1::FleetSlot> row;
};

// `facts.events` must not be empty.
std::vector<std::string> TellKill(const StoryFacts& facts);

// Of a slot that no kill is recorded of, as the controller gave it at `as_of`. `would_kill` is its
// newest WOULD_KILL, null if there is none.
std::vector<std::string> TellSlot(const v1::FleetSlot& row, const v1::Event* would_kill,
                                  const google::protobuf::Timestamp& as_of);

// How a program ended, or could not be started, where that was no kill: `event` carries the death.
// `row` is the program as the controller gave it at `as_of`, null if there is none.
std::vector<std::string> TellDeath(const v1::Event& event, const v1::FleetProgram* row,
                                   const google::protobuf::Timestamp& as_of);

// How a program stands now: one sentence.
std::string ProgramNow(const v1::FleetProgram& row, const google::protobuf::Timestamp& as_of);

// One paragraph, broken at blanks into lines of at most `columns`; ends with a line break.
std::string Paragraph(const std::vector<std::string>& sentences, size_t columns);

}  // namespace procctl::cli
