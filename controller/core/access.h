// Who may call what: one table from method to role, and no other place decides it. A method without
// a row is refused to everybody.
#pragma once

#include <string_view>

#include "absl/status/status.h"
#include "proto/support/peer_identity.h"

namespace procctl::controller {

// `method`: "/procctl.v1.FleetService/ListNodes". People's roles are ordered viewer < operator <
// admin; node and controller stand beside that order and may call only what names them.
// PERMISSION_DENIED says what role is needed.
absl::Status CheckAccess(std::string_view method, Role role);

// True if the table has a row for it (a test walks all services with this).
bool HasAccessRow(std::string_view method);

}  // namespace procctl::controller
