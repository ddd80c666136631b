// One scan over all hearts: reads what they show, adds up their silence, and says what is to be
// done about whom. No clock of a client is ever believed: only whether its counters moved between
// two looks of ours.
//
//            beat within timeout / 2                silence > timeout
//   ALIVE <------------------------> QUIET ----------------------------> HUNG
//     |  READY                                        silence > its limit  |
//   STARTING (start grace) ------------------------------------------------+
//     |  BUSY announced / over                        silence > its limit  |
//   BUSY (announced limit) ------------------------------------------------+
//
// and, while it beats: NO_PROGRESS (progress silence > its limit), GAVE_UP (it said so). At a limit
// itself a heart still lives. A timeout of 0 is none: such a slot is never silent, only starting or
// busy for too long.
#pragma once

#include <cstdint>
#include <vector>

#include "node/core/brake.h"
#include "node/core/heart.h"
#include "node/core/mono_time.h"
#include "node/core/table.h"

namespace procctl::node {

struct WatchRules {
  Nanos interval = std::chrono::milliseconds(100);
  // A gap over this share of the timeout that ends with a beat is a near miss.
  int near_miss_percent = 80;
};

// Generations of slots, in no order.
struct Findings {
  struct Gap {
    int64_t generation = 0;
    Nanos length{};
  };
  // Judged otherwise than in the scan before.
  std::vector<int64_t> changed;
  // Given back, or never taken up by its process.
  std::vector<int64_t> closed;
  // HUNG, NO_PROGRESS or GAVE_UP.
  std::vector<int64_t> due;
  std::vector<Gap> near_misses;
  // Passed the shadow timeout in this scan.
  std::vector<int64_t> shadow;

  void Clear();
};

class Watch {
 public:
  // The library beats once as soon as it holds the page, and gives up waiting for the page after
  // two seconds. A page without any beat for longer than this belongs to a process that believes it
  // is not guarded: to judge it would be to kill the healthy.
  static constexpr Nanos kUnclaimed = std::chrono::seconds(5);

  Watch(Table* table, WatchRules rules) : table_(table), rules_(rules) {}

  // `credited`: as ScanGuard grants it.
  void Scan(Nanos credited, Findings* findings);

  // How many are silent, and how many of them together with one that is past its limit. Of the
  // groups that belong to `least` processes or more, the largest; if there is none, of all groups.
  SilenceCensus Census(Nanos window, int least = 1) const;

 private:
  void NoteGap(size_t index, HeartCell& cell, Nanos credited, Findings* findings);
  void ReadFlags(size_t index, HeartCell& cell, uint32_t flags);

  Table* table_;
  WatchRules rules_;
};

// What the heart's numbers amount to.
v1::SlotState Judge(const HeartCell& cell);
bool IsDue(v1::SlotState state);
// Which limit was passed. Of a heart that is due.
v1::Symptom SymptomOf(const HeartCell& cell);
// The limit that the heart is held against, by its symptom or state.
Nanos LimitOf(const HeartCell& cell, v1::Symptom symptom);
// What counts against it: silence, or progress silence.
Nanos SilenceOf(const HeartCell& cell, v1::Symptom symptom);

// Right before a signal, from the page itself: does what made the heart due still hold?
bool StillDue(const HeartCell& cell, v1::Symptom symptom);

}  // namespace procctl::node
