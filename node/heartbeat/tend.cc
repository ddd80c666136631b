// SPDX-License-Identifier: Apache-2.0
#include "node/heartbeat/tend.h"

#include <errno.h>
#include <pthread.h>
#include <time.h>
#include <unistd.h>

#include "node/heartbeat/registration.h"

namespace procctl::heartbeat {
namespace {

// A thread cancelled while it waits for the guardian would leave descriptors and a half-open heart
// behind. A caller's errno is the caller's.
class Undisturbed {
 public:
  Undisturbed() : errno_(errno) { pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel_state_); }
  ~Undisturbed() {
    pthread_setcancelstate(cancel_state_, nullptr);
    errno = errno_;
  }
  Undisturbed(const Undisturbed&) = delete;
  Undisturbed& operator=(const Undisturbed&) = delete;

 private:
  const int errno_;
  int cancel_state_ = PTHREAD_CANCEL_ENABLE;
};

// Coarse: a few milliseconds are nothing here, and it is read in every procctl_tend.
int64_t CoarseNs() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
  return int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

// Other threads may ask procctl_is_guarded meanwhile.
void Show(procctl_heart* heart, uint64_t slot, int fd) {
  __atomic_store_n(&heart->slot, slot, __ATOMIC_RELAXED);
  __atomic_store_n(&heart->fd, fd, __ATOMIC_RELAXED);
}

// Asks once and notes when to ask again: after `pause_ns` if this fails. 0, or a negative errno
// value.
int Try(procctl_heart* heart, OpenHeart* entry, int64_t timeout_ns, int64_t pause_ns,
        char (&said)[PROCCTL_FRAME_TEXT_BYTES]) {
  uint64_t slot = 0;
  bool refused = false;
  const pid_t asker = getpid();
  const int error = Register(entry, timeout_ns, &slot, &refused, said);
  // A signal handler of this very thread forked while we were in there, and this is the child: the
  // fork handler has cut the entry off, and what came was for the parent.
  if (entry->owner.load() != asker) {
    MakeIdle(heart);
    return -ECANCELED;
  }
  const int64_t now_ns = CoarseNs();
  entry->next_try_ns = now_ns + (error == 0 ? kLookNs : pause_ns);
  entry->next_look_ns.store(now_ns + kLookNs);
  entry->refused_until_ns = refused ? now_ns + kRefusedTryNs : 0;
  entry->last_error.store(error);
  if (error == 0) {
    Forget(entry);
    Show(heart, slot, entry->page_fd.load());
  } else if (entry->page_fd.load() < 0) {
    Show(heart, 0, -1);
  }
  return error;
}

bool IsTimeToTry(const OpenHeart& entry, int64_t now_ns) {
  if (now_ns < entry.next_try_ns) return false;
  const bool answered = entry.last_error.load() == 0;
  if (answered || now_ns < entry.refused_until_ns) return IsAnotherDoor(entry.door);
  return true;
}

// What there is to say without asking.
int Standing(const procctl_heart* heart, const OpenHeart& entry) {
  const int error = entry.last_error.load();
  return error != 0 ? error : procctl_is_guarded(heart);
}

}  // namespace

int Open(procctl_heart* heart, const Wish& wish, char (&said)[PROCCTL_FRAME_TEXT_BYTES]) {
  const Undisturbed undisturbed;
  OpenHeart* known = FindTracked(heart);
  if (known != nullptr && known->page.load() == heart->page) {
    Release(known);
  } else if (known != nullptr) {
    // Of an earlier heart at this address, never closed. It may have been moved and still beat
    // there, so its page must not become ours.
    known->heart.store(nullptr);
  }
  OpenHeart* entry = Track(heart);
  if (entry == nullptr) {
    MakeIdle(heart);
    return -ENOMEM;
  }
  heart->page = entry->page.load();
  Show(heart, 0, -1);
  entry->wish = wish;
  entry->door = Door();
  const int error = Try(heart, entry, kAnswerTimeoutNs, kFirstTryNs, said);
  if (error != 0 && error != -ECANCELED && !TryRemember(entry)) {
    MakeIdle(heart);
    Release(entry);
  }
  return error;
}

int Tend(procctl_heart* heart, OpenHeart* entry, char (&said)[PROCCTL_FRAME_TEXT_BYTES]) {
  const int64_t now_ns = CoarseNs();
  if (now_ns < entry->next_look_ns.load(std::memory_order_relaxed)) return Standing(heart, *entry);
  // Of our parent's asking: ours it never was.
  if (entry->owner.load() != getpid()) return 0;
  if (entry->tending.exchange(true)) return Standing(heart, *entry);
  const Undisturbed undisturbed;
  entry->next_look_ns.store(now_ns + kLookNs);
  int result = Standing(heart, *entry);
  if (IsTimeToTry(*entry, now_ns)) {
    const int error = Try(heart, entry, kTendTimeoutNs, kTryNs, said);
    result = error != 0 ? error : 1;
  }
  entry->tending.store(false);
  return result;
}

}  // namespace procctl::heartbeat
