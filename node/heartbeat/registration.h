// SPDX-License-Identifier: Apache-2.0
//
// The client's half of register_frame.h: one question to the guardian, one page in return.
#ifndef PROCCTL_NODE_HEARTBEAT_REGISTRATION_H_
#define PROCCTL_NODE_HEARTBEAT_REGISTRATION_H_

#include <stdint.h>

#include "node/heartbeat/asking.h"
#include "node/heartbeat/open_hearts.h"
#include "node/heartbeat/register_frame.h"

namespace procctl::heartbeat {

// How long procctl_open may take. Long enough for a guardian that is busy with a full host, short
// enough for a program's start.
inline constexpr int64_t kAnswerTimeoutNs = 2'000'000'000;

// How long procctl_tend may hold up the loop it is called in. A guardian that is alive answers in
// less than one scan interval (100 ms).
inline constexpr int64_t kTendTimeoutNs = 200'000'000;

// Asks the guardian for what entry->wish says. 0: entry->page is the guardian's now, at the address
// it had, with the state that it had and one beat more; entry->page_fd is its descriptor and *slot
// the guardian's number for it. Else a negative errno value, the entry is as it was (but private,
// should the kernel have refused the exchange itself), and what the guardian said is in `said`
// (printable, NUL-terminated, maybe empty); *refused: it answered, and said no. entry->door becomes
// the door of the guardian that was reached, whatever it said.
//
// Any thread, one at a time for each entry, while others beat there; waits timeout_ns at most;
// raises no SIGPIPE; leaves no descriptor behind whatever the peer sends.
int Register(OpenHeart* entry, int64_t timeout_ns, uint64_t* slot, bool* refused,
             char (&said)[PROCCTL_FRAME_TEXT_BYTES]);

// Whether another file is at the door's path now. A file that is gone is no other one: its guardian
// may come back.
bool IsAnotherDoor(const Door& door);

}  // namespace procctl::heartbeat

#endif  // PROCCTL_NODE_HEARTBEAT_REGISTRATION_H_
