// SPDX-License-Identifier: Apache-2.0
//
// The hearts of this process, kept so that a forked child can be cut off from them and so that a
// heart that no guardian took can ask again.
//
// Each tracked heart has a page of its own at an address that never changes: private memory while
// the heart is unguarded, the guardian's memory in the same place while it is guarded. So threads
// that beat while another one opens or tends the heart always have memory under them, and a pointer
// that a compiler kept in a register stays good.
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

#include <sys/types.h>

#include <atomic>

#include "node/heartbeat/asking.h"
#include "procctl/heartbeat.h"

namespace procctl::heartbeat {

// How many hearts that no guardian took are remembered, so that procctl_tend can ask again for
// them. Programs need not close such a heart, so there must be an end to it.
inline constexpr int kMostRemembered = 256;

// One heart that is open, being opened or closed, or remembered. Entries live until the process
// ends.
struct OpenHeart {
  std::atomic<bool> claimed{false};
  // Who asked: a child made by fork, _Fork or clone inherits the entry, not the wish. 0: nobody.
  std::atomic<pid_t> owner{0};
  // Written through only while the heart is guarded: the memory of an unguarded one may be gone.
  std::atomic<procctl_heart*> heart{nullptr};
  // Stays with the entry when it is released: private, zeroed, for the next heart. nullptr only
  // where the kernel refused one.
  std::atomic<procctl_page*> page{nullptr};
  std::atomic<int> page_fd{-1};  // -1: the page is private
  // While a registration is under way: the guardian's socket, then the page it sent, on its way
  // to the place of `page`.
  std::atomic<int> socket{-1};
  std::atomic<procctl_page*> coming_page{nullptr};
  std::atomic<int> coming_fd{-1};

  // What the program said of itself, see heart_state.h.
  std::atomic<uint64_t> state{0};

  // The thread that opens the heart or holds `tending` writes these.
  Wish wish;
  Door door;
  bool remembered = false;  // counted against kMostRemembered
  std::atomic<bool> tending{false};
  std::atomic<int64_t> next_look_ns{0};
  int64_t next_try_ns = 0;
  int64_t refused_until_ns = 0;
  std::atomic<int> last_error{0};  // of the last try: 0 or a negative errno value

  OpenHeart* next = nullptr;
};

// Claims an entry with a zeroed private page for `heart` and makes sure that the fork handler is
// installed. nullptr: out of memory.
OpenHeart* Track(procctl_heart* heart);

// The entry of `heart`; nullptr if it has none. The entry of an unguarded heart may be that of an
// earlier heart at the same address: then their pages differ. Async-signal-safe.
OpenHeart* FindTracked(const procctl_heart* heart);

// The entry whose page it is; nullptr if none. Async-signal-safe.
OpenHeart* FindPage(const procctl_page* page);

// Counts the entry as remembered; false: there are kMostRemembered already.
bool TryRemember(OpenHeart* entry);
void Forget(OpenHeart* entry);

// Makes the page private and zeroed, closes what the entry holds and releases it. The heart itself
// is the caller's to turn elsewhere, before.
void Release(OpenHeart* entry);

// Replaces whatever is mapped at `page` by zeroed private memory. False where the kernel refuses.
bool MakePrivate(procctl_page* page);

// Makes `heart` guard nothing: it beats into one of a few idle pages, taken in turn so that threads
// with unguarded hearts of their own seldom write to the same cache line.
void MakeIdle(procctl_heart* heart);

}  // namespace procctl::heartbeat

#endif  // PROCCTL_NODE_HEARTBEAT_OPEN_HEARTS_H_
