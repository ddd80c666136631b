// SPDX-License-Identifier: Apache-2.0
//
// The C interface of procctl/heartbeat.h. Who may call what from where is said there.
#include "procctl/heartbeat.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "node/heartbeat/open_hearts.h"
#include "node/heartbeat/registration.h"

static_assert(offsetof(procctl_page, magic) == 0 && offsetof(procctl_page, version) == 8 &&
                  offsetof(procctl_page, flags) == 12 && offsetof(procctl_page, beats) == 16 &&
                  offsetof(procctl_page, progress) == 24 && offsetof(procctl_page, note) == 32,
              "the page is an ABI");
static_assert(offsetof(procctl_page, busy_ms) == 160 && offsetof(procctl_page, busy_count) == 168 &&
              offsetof(procctl_page, phase) == 176);
static_assert(sizeof(procctl_page) == 208 && sizeof(procctl_page) <= PROCCTL_PAGE_BYTES);

// On a cache line of its own, apart from whatever else the program writes often.
alignas(64) procctl_page procctl_idle_page = {};

namespace {

using procctl::heartbeat::FindTracked;
using procctl::heartbeat::MakeIdle;
using procctl::heartbeat::OpenHeart;
using procctl::heartbeat::Register;
using procctl::heartbeat::Track;
using procctl::heartbeat::Untrack;

thread_local char open_error[PROCCTL_FRAME_TEXT_BYTES];

// procctl_open waits, and a thread cancelled in its wait would leave descriptors and a half-open
// heart behind. A caller's errno is the caller's.
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

int Refuse(const char* why) {
  strncpy(open_error, why, sizeof(open_error) - 1);
  return -EINVAL;
}

// Takes away what `entry` names, in the order that keeps a child forked meanwhile out of memory
// and descriptors that are no longer ours.
void Release(OpenHeart* entry) {
  procctl_page* page = entry->page.load();
  const int page_fd = entry->page_fd.load();
  Untrack(entry);
  if (page != nullptr) munmap(page, PROCCTL_PAGE_BYTES);
  if (page_fd >= 0) close(page_fd);
}

}  // namespace

int procctl_open(procctl_heart* heart, const char* name, uint32_t timeout_ms) {
  const Undisturbed undisturbed;
  open_error[0] = '\0';
  if (heart == nullptr) return Refuse("heart is NULL");
  if (procctl_is_guarded(heart)) return -EBUSY;
  MakeIdle(heart);
  if (name == nullptr || name[0] == '\0') return Refuse("the name is empty; give 1 to 63 bytes");
  const size_t length = strnlen(name, PROCCTL_NAME_MAX + 1);
  if (length > PROCCTL_NAME_MAX) return Refuse("the name is too long; give 1 to 63 bytes");
  if (timeout_ms == 0) return Refuse("the timeout is 0 or out of range; give it in milliseconds");

  procctl_register_request request = {};
  request.magic = PROCCTL_FRAME_MAGIC;
  request.page_version = PROCCTL_PAGE_VERSION;
  request.timeout_ms = timeout_ms;
  memcpy(request.name, name, length);

  OpenHeart* entry = Track(heart);
  if (entry == nullptr) return -ENOMEM;
  uint64_t slot = 0;
  if (const int error = Register(request, entry, &slot, open_error); error != 0) {
    Untrack(entry);
    return error;
  }
  heart->page = entry->page.load();
  heart->slot = slot;
  heart->fd = entry->page_fd.load();
  // A signal handler of this very thread forked while we were in here, and this is the child: the
  // fork handler has released the entry, and the page was the parent's.
  if (entry->heart.load() != heart) {
    MakeIdle(heart);
    return -ECANCELED;
  }
  return 0;
}

const char* procctl_open_error(void) { return open_error; }

void procctl_close(procctl_heart* heart) {
  if (heart == nullptr || !procctl_is_guarded(heart)) return;
  const int caller_errno = errno;
  procctl_page* page = heart->page;
  heart->page = &procctl_idle_page;
  heart->slot = 0;
  heart->fd = -1;
  OpenHeart* entry = FindTracked(heart);
  // Not ours where a copy of an open heart is closed: the page goes with the original.
  if (entry != nullptr && entry->page.load() == page) {
    __atomic_fetch_or(&page->flags, PROCCTL_PAGE_CLOSED, __ATOMIC_RELEASE);
    Release(entry);
  }
  errno = caller_errno;
}

int procctl_is_guarded(const procctl_heart* heart) {
  // A zeroed heart, which nobody initialised, has no page: not open, whatever its fd says.
  return heart != nullptr && heart->page != nullptr && heart->fd >= 0;
}

void procctl_note(procctl_heart* heart, const char* text) {
  if (heart == nullptr) return;
  char* note = heart->page->note;
  size_t length = 0;
  // Atomic byte stores: a signal handler may write a note in the midst of one, and the guardian
  // reads at any time.
  for (; text != nullptr && text[length] != '\0' && length + 1 < PROCCTL_NOTE_BYTES; ++length) {
    __atomic_store_n(&note[length], text[length], __ATOMIC_RELAXED);
  }
  __atomic_store_n(&note[length], '\0', __ATOMIC_RELAXED);
}
