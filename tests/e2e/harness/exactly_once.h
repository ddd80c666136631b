// Many events, and whether a controller's history holds each of them exactly once.
#pragma once

#include <string>

#include "tests/e2e/harness/child.h"
#include "tests/e2e/harness/fleet.h"

namespace procctl::e2e {

// A process that opens and closes `flashes` slots, which is two events each, some three
// milliseconds apart. It ends with status 0 when all are told.
Child MakeEvents(const Node& node, int flashes);

// Waits until all events of `flashes` are in the history, and expects that the events of the node
// are numbered 1, 2, 3 ... in each epoch, each once. What a GAP or an EVENTS_LOST stands for is
// missing honestly: allowed where `gaps` says so, and then only what they name.
void ExpectExactlyOnce(Fleet& fleet, const std::string& node, int flashes, bool gaps = false);

}  // namespace procctl::e2e
