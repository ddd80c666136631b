// What a slot's row says of its silence now.
#pragma once

#include <chrono>

#include "procctl/v1/slot.pb.h"
#include "proto/support/filter.h"

namespace procctl {

// In nanoseconds, as a filter compares it. `timeout` is zero where nobody need beat; `reported` is
// how long ago the row was. An ALIVE row is not reported again while it beats, so all that is known
// of it is a bound; STARTING and the like may beat without a report.
NumberRange KnownSilence(v1::SlotState state, std::chrono::nanoseconds timeout,
                         std::chrono::nanoseconds silence, std::chrono::nanoseconds reported);

}  // namespace procctl
