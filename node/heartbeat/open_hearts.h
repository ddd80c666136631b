// SPDX-License-Identifier: Apache-2.0
//
// The open hearts of this process, kept so that a forked child can be cut off from them.
//
// fork copies the page mappings as *shared* mappings: without care the child would beat for its
// parent, and a hung parent would look alive. A handler that fork runs in the child, before fork
// returns there, puts a private page in the place of every tracked page and closes the tracked
// descriptors.
//
// The handler may run while any other thread was in the midst of procctl_open or procctl_close;
// that thread does not exist in the child and can release nothing. So there is no lock here: a list
// that only grows, whose entries are claimed and released by one atomic flag. An entry is filled
// in before what it names is used and emptied before what it names is freed, because a number or
// address that has been freed may already belong to somebody else.
#ifndef PROCCTL_NODE_HEARTBEAT_OPEN_HEARTS_H_
#define PROCCTL_NODE_HEARTBEAT_OPEN_HEARTS_H_

#include <atomic>

#include "procctl/heartbeat.h"

namespace procctl::heartbeat {

// One heart that is open, being opened or being closed. Entries live until the process ends.
struct OpenHeart {
  std::atomic<bool> claimed{false};
  std::atomic<procctl_heart*> heart{nullptr};
  std::atomic<procctl_page*> page{nullptr};
  std::atomic<int> page_fd{-1};
  std::atomic<int> socket{-1};  // the guardian's, while procctl_open waits for its answer
  OpenHeart* next = nullptr;
};

// Claims an entry for `heart` and makes sure that the fork handler is installed. nullptr: out of
// memory.
OpenHeart* Track(procctl_heart* heart);

// The entry of `heart`; nullptr if it has none.
OpenHeart* FindTracked(const procctl_heart* heart);

// Releases the entry. Whatever it named stays as it is; it is the caller's to free, afterwards.
void Untrack(OpenHeart* entry);

// Makes `heart` guard nothing: it beats into one of a few idle pages, taken in turn so that threads
// with unguarded hearts of their own seldom write to the same cache line.
void MakeIdle(procctl_heart* heart);

}  // namespace procctl::heartbeat

#endif  // PROCCTL_NODE_HEARTBEAT_OPEN_HEARTS_H_
