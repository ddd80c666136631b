// What a scan touches of one heart, and what it leaves behind. Plain data of fixed layout: it lives
// in memory that outlives the guardian (node/os/board.h), so a guardian that takes over goes on
// counting where the last one ended.
#pragma once

#include <array>
#include <cstdint>

#include "node/heartbeat/include/procctl/heartbeat.h"

namespace procctl::node {

enum class HeartMode : uint8_t { kPlain = 0, kStarting = 1, kBusy = 2 };

// One cache line: 10,000 of them are read ten times a second.
struct alignas(64) HeartCell {
  // Where the heart beats; nullptr: this cell is free. Means something to the living guardian only.
  const procctl_page* page = nullptr;
  // As last seen. Any change is a beat, or progress.
  uint64_t beats = 0;
  uint64_t progress = 0;
  // Nanoseconds observed without a beat; while STARTING: since the registration.
  int64_t silence = 0;
  // Nanoseconds observed without progress.
  int64_t progress_silence = 0;
  // Milliseconds. progress_limit 0: progress is not judged.
  uint32_t timeout = 0;
  uint32_t progress_limit = 0;
  // Start grace while STARTING, limit of the announced work while BUSY; 0 otherwise.
  uint32_t special_limit = 0;
  // Beats that came within one scan interval of the one before: the first column of the history.
  uint32_t steady = 0;
  // A silence that passes it is reported, nothing more. 0: no such rule.
  uint32_t shadow = 0;
  // v1::SlotState as last judged, PROCCTL_PAGE_* as last seen, and what special_limit is for.
  uint8_t judged = 0;
  uint8_t flags = 0;
  HeartMode mode = HeartMode::kPlain;
  uint8_t reserved = 0;
};
static_assert(sizeof(HeartCell) == 64);

// The rest, touched when something is worth noting.
struct alignas(64) HeartHistory {
  static constexpr int kColumns = 16;

  // Incarnation.generation of the slot whose cell this is; 0: nobody's. Written last when a slot
  // comes, zeroed first when it goes: a cell is believed only if this is the generation it should
  // have.
  int64_t generation = 0;
  // Nanoseconds.
  int64_t worst_gap = 0;
  uint32_t near_misses = 0;
  uint32_t busy_count = 0;
  uint32_t busy_cut = 0;
  uint32_t shadow_kills = 0;
  // Column i counts gaps over 2^(i-1) and at most 2^i scan intervals; column 0 is
  // HeartCell::steady.
  std::array<uint32_t, kColumns> gaps{};
  // procctl_page::busy_count of the announcement that is being judged.
  uint64_t busy_seen = 0;
  // PageKey::inode of the page that the cell is about.
  uint64_t page_inode = 0;
  uint8_t reserved[8] = {};
};
static_assert(sizeof(HeartHistory) == 128);

}  // namespace procctl::node
