// Reads what was written, for `logs`: from the cursor on, wherever rotation has moved its file.
#pragma once

#include "node/logger/outlet.h"
#include "procctl/v1/detail.pb.h"

namespace procctl::logger {

// At most so far back the beginning of a tail is looked for.
inline constexpr int64_t kMostBack = int64_t{1} << 20;
inline constexpr int32_t kMostChunk = 32 * 1024;

// Ends with a whole line where there is more than fits. May wait for a disk. Without data, error
// and loss: there is nothing new; the cursor then is where to go on, also if `read` had none. Keeps
// nothing open.
v1::OutputChunk ReadOutlet(const Outlet& outlet, const v1::ReadOutput& read);

}  // namespace procctl::logger
