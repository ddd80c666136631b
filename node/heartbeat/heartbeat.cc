// SPDX-License-Identifier: Apache-2.0
//
// The C interface of procctl/heartbeat.h. Who may call what from where is said there.
#include "procctl/heartbeat.h"

#include <errno.h>
#include <string.h>

#include "node/heartbeat/heart_state.h"
#include "node/heartbeat/open_hearts.h"
#include "node/heartbeat/register_frame.h"
#include "node/heartbeat/tend.h"

static_assert(offsetof(procctl_page, magic) == 0 && offsetof(procctl_page, version) == 8 &&
                  offsetof(procctl_page, flags) == 12 && offsetof(procctl_page, beats) == 16 &&
                  offsetof(procctl_page, progress) == 24 && offsetof(procctl_page, note) == 32,
              "the page is an ABI");
static_assert(offsetof(procctl_page, busy_ms) == 160 && offsetof(procctl_page, busy_count) == 168 &&
              offsetof(procctl_page, phase) == 176);
static_assert(sizeof(procctl_page) == 208 && sizeof(procctl_page) <= PROCCTL_PAGE_BYTES);

static_assert(sizeof(procctl_options) == 32, "an ABI too");

// On a cache line of its own, apart from whatever else the program writes often.
alignas(64) procctl_page procctl_idle_page = {};

namespace {

using procctl::heartbeat::ChangeState;
using procctl::heartbeat::FindPage;
using procctl::heartbeat::FindTracked;
using procctl::heartbeat::MakeIdle;
using procctl::heartbeat::Open;
using procctl::heartbeat::OpenHeart;
using procctl::heartbeat::Release;
using procctl::heartbeat::Tend;
using procctl::heartbeat::Wish;

thread_local char open_error[PROCCTL_FRAME_TEXT_BYTES];

int Refuse(const char* why) {
  strncpy(open_error, why, sizeof(open_error) - 1);
  return -EINVAL;
}

// A zeroed heart, which nobody initialised, has no page.
bool HasPage(const procctl_heart* heart) { return heart != nullptr && heart->page != nullptr; }

// Whether the page has what was added behind the note. A program that was linked when pages ended
// there may hold the idle page in its own memory, with something else right behind it.
bool HasNewerFields(const procctl_heart* heart) {
  return HasPage(heart) && heart->page != &procctl_idle_page;
}

// Atomic byte stores: a signal handler may write a text in the midst of one, and the guardian reads
// at any time.
template <size_t size>
void WriteText(const char* text, char (&to)[size]) {
  size_t length = 0;
  for (; text != nullptr && text[length] != '\0' && length + 1 < size; ++length) {
    __atomic_store_n(&to[length], text[length], __ATOMIC_RELAXED);
  }
  __atomic_store_n(&to[length], '\0', __ATOMIC_RELAXED);
}

void Say(procctl_heart* heart, uint32_t set, uint32_t clear, uint32_t limit_ms = 0) {
  // By its page, so that a copy of the heart says the same as the heart.
  ChangeState(FindPage(heart->page), heart->page, set, clear, limit_ms);
}

}  // namespace

int procctl_open_with(procctl_heart* heart, const char* name, const procctl_options* options) {
  open_error[0] = '\0';
  if (heart == nullptr) return Refuse("heart is NULL");
  if (procctl_is_guarded(heart)) return -EBUSY;
  if (heart->page == nullptr) MakeIdle(heart);
  if (name == nullptr || name[0] == '\0') return Refuse("the name is empty; give 1 to 63 bytes");
  const size_t length = strnlen(name, PROCCTL_NAME_MAX + 1);
  if (length > PROCCTL_NAME_MAX) return Refuse("the name is too long; give 1 to 63 bytes");
  if (options == nullptr) return Refuse("options is NULL");
  if (options->timeout_ms == 0) {
    return Refuse("the timeout is 0 or out of range; give it in milliseconds");
  }
  for (const uint32_t reserved : options->reserved) {
    if (reserved != 0) return Refuse("a reserved option is not 0; this library knows none of them");
  }
  Wish wish;
  memcpy(wish.name, name, length);
  wish.options = *options;
  return Open(heart, wish, open_error);
}

int procctl_open(procctl_heart* heart, const char* name, uint32_t timeout_ms) {
  procctl_options options = {};
  options.timeout_ms = timeout_ms;
  return procctl_open_with(heart, name, &options);
}

const char* procctl_open_error(void) { return open_error; }

void procctl_close(procctl_heart* heart) {
  if (!HasPage(heart)) return;
  const bool guarded = procctl_is_guarded(heart);
  OpenHeart* entry = FindTracked(heart);
  procctl_page* page = heart->page;
  // Not ours where a copy of a heart is closed: the page goes with the original.
  const bool ours = entry != nullptr && entry->page.load() == page;
  if (!guarded && !ours) return;
  const int caller_errno = errno;
  heart->page = &procctl_idle_page;
  heart->slot = 0;
  heart->fd = -1;
  if (ours) {
    __atomic_fetch_or(&page->flags, PROCCTL_PAGE_CLOSED, __ATOMIC_RELEASE);
    Release(entry);
  }
  errno = caller_errno;
}

int procctl_is_guarded(const procctl_heart* heart) {
  // Not open without a page, whatever its fd says.
  return HasPage(heart) && __atomic_load_n(&heart->fd, __ATOMIC_RELAXED) >= 0;
}

void procctl_note(procctl_heart* heart, const char* text) {
  if (HasPage(heart)) WriteText(text, heart->page->note);
}

void procctl_phase(procctl_heart* heart, const char* phase) {
  if (HasNewerFields(heart)) WriteText(phase, heart->page->phase);
}

void procctl_ready(procctl_heart* heart) {
  if (!HasPage(heart)) return;
  Say(heart, PROCCTL_PAGE_READY, 0);
  procctl_beat(heart);
}

void procctl_busy(procctl_heart* heart, uint32_t limit_ms) {
  if (limit_ms == 0) return procctl_busy_done(heart);
  if (!HasNewerFields(heart)) return;
  __atomic_fetch_add(&heart->page->busy_count, 1, __ATOMIC_RELAXED);
  Say(heart, PROCCTL_PAGE_BUSY, 0, limit_ms);
  procctl_beat(heart);
}

void procctl_busy_done(procctl_heart* heart) {
  if (!HasPage(heart)) return;
  // First, so that nobody sees the old silence without the work that excused it.
  procctl_beat(heart);
  Say(heart, 0, PROCCTL_PAGE_BUSY);
}

void procctl_failed(procctl_heart* heart, const char* reason) {
  if (!HasPage(heart)) return;
  if (reason != nullptr) procctl_note(heart, reason);
  Say(heart, PROCCTL_PAGE_FAILED, 0);
}

int procctl_tend(procctl_heart* heart) {
  if (!HasPage(heart)) return 0;
  OpenHeart* entry = FindTracked(heart);
  // None: never opened, a copy, a parent's, or one too many to be remembered. Another page: an
  // earlier heart was here.
  if (entry == nullptr || entry->page.load() != heart->page) return procctl_is_guarded(heart);
  return Tend(heart, entry, open_error);
}
