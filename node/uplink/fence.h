// What a node remembers of the controllers that welcomed it, so that one that is behind never wins:
// an older controller, an old copy of the database, a second controller on a copy of it. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "procctl/v1/node_service.pb.h"

namespace procctl::uplink {

// The database of one controller, as it last welcomed this node.
struct KnownHistory {
  std::string id;
  std::int64_t generation = 0;
  std::string run;
  bool operator==(const KnownHistory&) const = default;
};

struct Fence {
  // A fleet has one controller, and a new history only after a restore.
  static constexpr std::size_t kMostHistories = 16;

  std::int64_t max_session_epoch = 0;
  // The one that welcomed last comes first; beyond the bound the last one is forgotten.
  std::vector<KnownHistory> histories;
  bool operator==(const Fence&) const = default;
};

// FAILED_PRECONDITION if another controller has the better claim; the message says what a person
// can do. A controller without a history is judged by its session epoch alone.
absl::Status CheckFence(const v1::Welcome& welcome, const Fence& fence);

// Remembers the controller of a Welcome that CheckFence found good.
void NoteWelcome(const v1::Welcome& welcome, Fence* fence);

// Adds what an earlier life of the uplink knew, and which could be read only now: where the two
// differ the higher claim stands, and of equal ones the earlier.
void MergeFence(const Fence& earlier, Fence* fence);

}  // namespace procctl::uplink
