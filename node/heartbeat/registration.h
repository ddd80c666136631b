// SPDX-License-Identifier: Apache-2.0
//
// The client's half of register_frame.h: one question to the guardian, one page in return.
#ifndef PROCCTL_NODE_HEARTBEAT_REGISTRATION_H_
#define PROCCTL_NODE_HEARTBEAT_REGISTRATION_H_

#include <stdint.h>

#include "node/heartbeat/open_hearts.h"
#include "node/heartbeat/register_frame.h"

namespace procctl::heartbeat {

// How long procctl_open may take. Long enough for a guardian that is busy with a full host, short
// enough for a program's start.
inline constexpr int64_t kAnswerTimeoutNs = 2'000'000'000;

// Asks the guardian for a slot. 0: entry->page and entry->page_fd are the caller's, *slot is the
// guardian's number for it, and the first beat is made. Else a negative errno value, nothing is
// held, and what the guardian said is in `said` (printable, NUL-terminated, maybe empty).
//
// Any thread; waits kAnswerTimeoutNs at most; raises no SIGPIPE; leaves no descriptor behind
// whatever the peer sends.
int Register(const procctl_register_request& request, OpenHeart* entry, uint64_t* slot,
             char (&said)[PROCCTL_FRAME_TEXT_BYTES]);

}  // namespace procctl::heartbeat

#endif  // PROCCTL_NODE_HEARTBEAT_REGISTRATION_H_
