// What people type to name programs: NODE/PROGRAM, where PROGRAM is a label (web@2) or the name of
// all instances (web), or NODE for all programs of it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "procctl/v1/fleet_service.pb.h"

namespace procctl::cli {

struct ProgramName {
  std::string node;
  std::string program;  // empty: NODE

  bool operator==(const ProgramName&) const = default;
  std::string ToString() const;
};

// INVALID_ARGUMENT says what is wrong.
absl::StatusOr<ProgramName> ParseProgram(std::string_view text);

// As well NODE alone.
absl::StatusOr<ProgramName> ParseProgramOrNode(std::string_view text);

// True if `label` is what `name` means, or an instance of it.
bool IsOf(const ProgramName& name, std::string_view node, std::string_view label);
bool IsOf(const ProgramName& name, const v1::FleetProgram& row);

// Exactly these rows.
std::vector<ProgramName> NamesOf(const std::vector<v1::FleetProgram>& rows);

// A filter for ListPrograms and ListEvents whose answer holds all that any of `names` means, and
// perhaps more: IsOf() then decides. Empty where a controller would not take it.
std::string FilterFor(const std::vector<ProgramName>& names);

}  // namespace procctl::cli
