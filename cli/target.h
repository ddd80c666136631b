// What people type to name a process: NODE/SLOT or NODE:PID, and BOOT:PID:START:GENERATION for one
// incarnation of it.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "procctl/v1/fleet_service.pb.h"
#include "procctl/v1/slot.pb.h"

namespace procctl::cli {

struct TargetName {
  std::string node;
  std::string slot;        // NODE/SLOT; may be as it is or as a table shows it (blanks as \x20)
  std::optional<int> pid;  // NODE:PID

  bool operator==(const TargetName&) const = default;
  std::string ToString() const;
};

// The first slash ends the node, so that a slot may hold slashes and colons. INVALID_ARGUMENT says
// what is wrong.
absl::StatusOr<TargetName> ParseTarget(std::string_view text);

// As `list -o json` shows it in "id".
std::string IncarnationText(const v1::Incarnation& incarnation);
absl::StatusOr<v1::Incarnation> ParseIncarnation(std::string_view text);

// A filter for ListSlots whose answer holds every row that any of `names` could mean, and perhaps
// more: its grammar cannot name a label with blanks. Match() then decides.
std::string FilterFor(const std::vector<TargetName>& names);

// True if `name`, a NODE/SLOT, means this very label: as it is or as a table shows it.
bool IsLabel(const TargetName& name, std::string_view label);

// How to type a slot's name in a shell: "web-01/encoder", in single quotes where it needs them.
std::string ShellName(std::string_view node, std::string_view label);

// The row that `name` means exactly, null if there is none. Several slots of the one process that
// NODE:PID names are one target: the first of them.
const v1::FleetSlot* Match(const TargetName& name, const std::vector<v1::FleetSlot>& rows);

}  // namespace procctl::cli
