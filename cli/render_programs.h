// Programs, their deaths and orders about them as text. Pure, as all of render.h.
#pragma once

#include <string>
#include <vector>

#include "cli/render.h"
#include "google/protobuf/timestamp.pb.h"
#include "procctl/v1/fleet_service.pb.h"

namespace procctl::cli {

// A table and a line that sums it up. The last column is a sentence.
std::string RenderPrograms(const ProgramList& list, bool colour, Columns columns);

// The targets of an order before it is sent.
std::string RenderProgramRows(const std::vector<v1::FleetProgram>& rows,
                              const google::protobuf::Timestamp& as_of, bool colour);

std::string ProgramsJson(const ProgramList& list);

// One row as a member of a JSON document; with an "id" while it runs.
std::string ProgramJson(const v1::FleetProgram& row);

// What is known of one program, for `describe`.
std::string RenderProgramDetail(const v1::FleetProgram& row,
                                const google::protobuf::Timestamp& as_of);

// When it is started by itself: "in 4s", "at 02:00", "at 2026-11-23T02:00", "now"; "-" where it is
// not.
std::string NextText(const v1::Program& program, const google::protobuf::Timestamp& as_of);

// The state as far as it may be believed: "running", or "stale" of a node that is lost.
std::string ProgramStateText(const v1::FleetProgram& row);

// PROGRAM_ENDED, PROGRAM_START_FAILED and PROGRAM_PARKED of one program or of its instances, oldest
// first; with the tail of stderr below each row where `with_stderr`.
std::string RenderHistory(const std::vector<v1::StoredEvent>& events, bool colour,
                          bool with_stderr);

// "web-01/web@1[4182]"; without a pid where there is none.
std::string TargetText(const v1::ProgramTarget& target);

// One line, how an order about `target` went: "web-01/tor[7]  restart ordered".
std::string RenderProgramOutcome(v1::ProgramAction action, const v1::ProgramTarget& target,
                                 const v1::ProgramOutcome& outcome);

}  // namespace procctl::cli
