// The guardian's rows as the uplink last heard them, and what a controller has not heard yet. Pure;
// the caller locks.
//
// revision() grows by one with each change that the guardian reports. Changes are tracked per row
// from the moment a snapshot begins: a row that changes ten times between two deltas is sent once.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "node/uplink/boot_clock.h"
#include "procctl/v1/link.pb.h"
#include "procctl/v1/node_service.pb.h"
#include "procctl/v1/slot.pb.h"

namespace procctl::uplink {

// Changes are gathered at most this long; from HUNG up they are not gathered at all.
inline constexpr std::chrono::milliseconds kDeltaDelay{100};
// Pieces of a snapshot or delta stay under 64 KiB with their framing.
inline constexpr std::size_t kMaxSlotBytes = 60 * 1024;
// Above this many untold changes, or this many rows that differ in a guardian's new snapshot, a
// snapshot is the shorter way.
inline constexpr int kMaxSnapshotChanges = 300;
inline constexpr std::size_t kMaxTrackedChanges = 50'000;

class SlotMirror {
 public:
  // One message of the guardian. Rows without a generation cannot be addressed: they are left out,
  // and counted in the result.
  int Apply(v1::LinkSlots slots, BootTime now);

  // A whole snapshot of the guardian has come.
  bool ready() const { return ready_; }
  std::int64_t revision() const { return revision_; }
  // What the controller holds when it has read all that BeginSnapshot and TakeDelta gave.
  std::int64_t told_revision() const { return told_revision_; }
  std::size_t size() const { return rows_.size(); }

  // Starts a snapshot: the rows to send, in order. Tracks changes from here on.
  std::vector<std::int64_t> BeginSnapshot();
  // Fills `chunk` with rows of `generations` from `next` on, up to the size limit; rows that ended
  // meanwhile are left out (the next delta says so). Returns where to go on.
  std::size_t FillChunk(const std::vector<std::int64_t>& generations, std::size_t next,
                        v1::SnapshotChunk* chunk) const;

  // Nobody listens any more.
  void StopTracking();
  // Tracking was given up: only a new snapshot brings the controller up to date.
  bool overflowed() const { return overflowed_; }

  // When the next delta is due; nullopt if there is nothing to tell.
  std::optional<BootTime> DeltaDueAt() const;
  // The oldest untold changes, whole revisions, up to the size limit. Precondition: DeltaDueAt().
  v1::SlotDelta TakeDelta();

 private:
  void Upsert(v1::Slot slot, BootTime now);
  void Remove(std::int64_t generation, BootTime now);
  void GiveUpTracking();
  void Touch(std::int64_t generation, bool urgent, BootTime now);

  std::map<std::int64_t, v1::Slot> rows_;
  // A snapshot of the guardian that has not come to its end.
  std::map<std::int64_t, v1::Slot> staged_;
  bool staging_ = false;
  bool ready_ = false;
  std::int64_t revision_ = 0;

  bool tracking_ = false;
  bool overflowed_ = false;
  std::int64_t told_revision_ = 0;
  // Untold changes: (revision of the last change, generation), and the way back.
  std::set<std::pair<std::int64_t, std::int64_t>> changes_;
  std::map<std::int64_t, std::int64_t> change_of_;
  BootTime due_at_;
};

}  // namespace procctl::uplink
