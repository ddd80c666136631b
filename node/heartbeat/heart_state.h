// SPDX-License-Identifier: Apache-2.0
//
// What a program says of itself beyond its beats: ready, failed, busy for so long. The page shows
// it; for a tracked heart the truth is one word in its entry, because the page may be exchanged for
// another guardian's in the very moment something is said:
//
//   who speaks       exchanges the word, then writes the page
//   who exchanges    writes the word to the new page, puts it in place, writes the word again
//
// and each of them repeats its write until the word is still the one it wrote. Whoever wrote stale
// words thus mends them itself, nobody ever waits, and a signal handler may speak at any time.
#ifndef PROCCTL_NODE_HEARTBEAT_HEART_STATE_H_
#define PROCCTL_NODE_HEARTBEAT_HEART_STATE_H_

#include <stdint.h>

#include "node/heartbeat/open_hearts.h"

namespace procctl::heartbeat {

// Sets and clears PROCCTL_PAGE_READY, _FAILED, _BUSY on `page`; limit_ms counts where BUSY is set.
// `entry` is the page's entry, nullptr if it has none. Any thread, async-signal-safe.
void ChangeState(OpenHeart* entry, procctl_page* page, uint32_t set, uint32_t clear,
                 uint32_t limit_ms);

// Writes the entry's word to `page`.
void WriteState(const OpenHeart& entry, procctl_page* page);

}  // namespace procctl::heartbeat

#endif  // PROCCTL_NODE_HEARTBEAT_HEART_STATE_H_
