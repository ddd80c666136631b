// SPDX-License-Identifier: Apache-2.0
//
// When a heart asks a guardian, and when it asks again.
//
//   procctl_open    asks at once; a heart that nobody took is remembered
//   procctl_tend    unguarded: asks kFirstTryNs after that, then every kTryNs
//                   guarded: looks at the socket file every kLookNs and asks where it is another
//                   one
//
// A guardian that said no would only say it again: it is asked every kRefusedTryNs, and earlier
// only when another one has taken its place.
#ifndef PROCCTL_NODE_HEARTBEAT_TEND_H_
#define PROCCTL_NODE_HEARTBEAT_TEND_H_

#include <stdint.h>

#include "node/heartbeat/open_hearts.h"

namespace procctl::heartbeat {

inline constexpr int64_t kLookNs = 1'000'000'000;
inline constexpr int64_t kFirstTryNs = 1'000'000'000;
inline constexpr int64_t kTryNs = 5'000'000'000;
inline constexpr int64_t kRefusedTryNs = 60'000'000'000;

// Asks for `wish`, which is checked, on behalf of an unguarded heart. As procctl_open_with.
int Open(procctl_heart* heart, const Wish& wish, char (&said)[PROCCTL_FRAME_TEXT_BYTES]);

// As procctl_tend, for the entry of `heart`. `said` is untouched where nobody is asked.
int Tend(procctl_heart* heart, OpenHeart* entry, char (&said)[PROCCTL_FRAME_TEXT_BYTES]);

}  // namespace procctl::heartbeat

#endif  // PROCCTL_NODE_HEARTBEAT_TEND_H_
