// The engine of a single controller: one SQLite database in its state folder.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "controller/store/engine.h"
#include "controller/store/history_limits.h"

namespace procctl::controller {

// Opens or makes the database in `state_dir`, which it locks until it is destroyed.
// FAILED_PRECONDITION: another controller holds the folder, or a newer version made it.
// DATA_LOSS: the database is damaged; the message says what to do. `controller_id` names the origin
// of the controller's own events.
absl::StatusOr<std::unique_ptr<Engine>> OpenLocalEngine(const std::string& state_dir,
                                                        const std::string& controller_id,
                                                        const HistoryLimits& limits = {});

}  // namespace procctl::controller
