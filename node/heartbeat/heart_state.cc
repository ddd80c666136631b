// SPDX-License-Identifier: Apache-2.0
#include "node/heartbeat/heart_state.h"

namespace procctl::heartbeat {
namespace {

constexpr uint32_t kSaid = PROCCTL_PAGE_READY | PROCCTL_PAGE_FAILED | PROCCTL_PAGE_BUSY;

// The word: flags in the low byte, then 24 bits that count the changes, so that a word that comes
// back is not taken for one that stayed, then the limit.
constexpr int kCountShift = 8;
constexpr uint64_t kCountMask = 0xffffff;
constexpr int kLimitShift = 32;

void WriteWord(uint64_t word, procctl_page* page) {
  const uint32_t said = static_cast<uint32_t>(word) & kSaid;
  if ((said & PROCCTL_PAGE_BUSY) != 0) {
    __atomic_store_n(&page->busy_ms, word >> kLimitShift, __ATOMIC_RELAXED);
  }
  uint32_t flags = __atomic_load_n(&page->flags, __ATOMIC_RELAXED);
  // Also where nothing changes: what follows must not be read before this is written.
  while (!__atomic_compare_exchange_n(&page->flags, &flags, (flags & ~kSaid) | said, false,
                                      __ATOMIC_SEQ_CST, __ATOMIC_RELAXED)) {
  }
}

}  // namespace

void WriteState(const OpenHeart& entry, procctl_page* page) {
  uint64_t word;
  do {
    word = entry.state.load();
    WriteWord(word, page);
  } while (entry.state.load() != word);
}

void ChangeState(OpenHeart* entry, procctl_page* page, uint32_t set, uint32_t clear,
                 uint32_t limit_ms) {
  if (entry == nullptr) {
    const uint32_t flags = (__atomic_load_n(&page->flags, __ATOMIC_RELAXED) | set) & ~clear;
    WriteWord(uint64_t{limit_ms} << kLimitShift | (flags & kSaid), page);
    return;
  }
  uint64_t before = entry->state.load();
  uint64_t after;
  do {
    const uint64_t flags = ((before & kSaid) | set) & ~uint64_t{clear};
    const uint64_t count = ((before >> kCountShift) + 1) & kCountMask;
    const uint64_t limit = (set & PROCCTL_PAGE_BUSY) != 0 ? limit_ms : before >> kLimitShift;
    after = limit << kLimitShift | count << kCountShift | flags;
  } while (!entry->state.compare_exchange_weak(before, after));
  WriteState(*entry, page);
}

}  // namespace procctl::heartbeat
