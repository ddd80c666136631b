// What the controller itself records about a node or the fleet.
#pragma once

#include <string>

#include "controller/store/commit_log.h"

namespace procctl::controller {

// `node`: whom it is about; empty for nobody in particular.
v1::Event OwnEvent(v1::EventKind kind, v1::Severity severity, const std::string& node,
                   std::string message);

// Hands it to the log, which refuses only while the controller goes down. Thread-safe, never
// blocks.
void Record(CommitLog* log, v1::Event event);

}  // namespace procctl::controller
