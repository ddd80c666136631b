// The guardian's rows, of slots and of programs, as the uplink last heard them, and what a
// controller has not heard yet. Pure; the caller locks.
//
// revision() grows by one with each change that the guardian reports. Changes are tracked per row
// from the moment a snapshot begins: a row that changes ten times between two deltas is sent once.
#pragma once

#include <chrono>
#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "node/uplink/boot_clock.h"
#include "procctl/v1/link.pb.h"
#include "procctl/v1/node_service.pb.h"
#include "procctl/v1/program.pb.h"
#include "procctl/v1/slot.pb.h"

namespace procctl::uplink {

// Changes are gathered at most this long; of what needs a person they are not gathered at all.
inline constexpr std::chrono::milliseconds kDeltaDelay{100};
// Pieces of a snapshot or delta stay under 64 KiB with their framing.
inline constexpr std::size_t kMaxRowBytes = 60 * 1024;
// Above this many untold changes, or this many rows that differ in a guardian's new snapshot (or
// above kMaxRowBytes of them), a snapshot is the shorter way.
inline constexpr int kMaxSnapshotChanges = 300;
inline constexpr std::size_t kMaxTrackedChanges = 50'000;

// Names a row: a slot by its generation, a program by its label. Slots come first, so that a
// program's row goes out behind that of the slot it names.
struct RowKey {
  bool program = false;
  std::int64_t generation = 0;
  std::string label;

  static RowKey OfSlot(std::int64_t generation) { return {false, generation, ""}; }
  static RowKey OfProgram(std::string label) { return {true, 0, std::move(label)}; }
  auto operator<=>(const RowKey&) const = default;
};

class SlotMirror {
 public:
  // One message of the guardian. Rows without a generation or a label cannot be addressed: they are
  // left out, and counted in the result.
  int Apply(v1::LinkSlots slots, BootTime now);

  // A whole snapshot of the guardian has come.
  bool ready() const { return ready_; }
  std::int64_t revision() const { return revision_; }
  // What the controller holds when it has read all that BeginSnapshot and TakeDelta gave.
  std::int64_t told_revision() const { return told_revision_; }
  std::size_t size() const { return rows_.size(); }
  // Of all rows (row_digest.h) as the controller holds them at told_revision(), if it was told
  // every change; nullopt while one waits, or nobody listens.
  std::optional<std::uint64_t> ToldDigest() const;

  // Starts a snapshot: the rows to send, in order. Tracks changes from here on.
  std::vector<RowKey> BeginSnapshot();
  // Fills `chunk` with rows of `keys` from `next` on, up to the size limit; rows that ended
  // meanwhile are left out (the next delta says so). Returns where to go on.
  std::size_t FillChunk(const std::vector<RowKey>& keys, std::size_t next,
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
  using Row = std::variant<v1::Slot, v1::Program>;
  using Rows = std::map<RowKey, Row>;

  void TakeRow(RowKey key, Row row, bool snapshot, BootTime now);
  void TakeRemoval(const RowKey& key, BootTime now);
  void EndSnapshot(BootTime now);
  void Upsert(const RowKey& key, Row row, BootTime now);
  void Remove(const RowKey& key, BootTime now);
  void GiveUpTracking();
  void Touch(const RowKey& key, bool urgent, BootTime now);

  Rows rows_;
  // A snapshot of the guardian that has not come to its end.
  Rows staged_;
  bool staging_ = false;
  bool ready_ = false;
  std::int64_t revision_ = 0;
  // Sum of the digests of rows_.
  std::uint64_t digest_ = 0;

  bool tracking_ = false;
  bool overflowed_ = false;
  std::int64_t told_revision_ = 0;
  // Untold changes: (revision of the last change, row), and the way back.
  std::set<std::pair<std::int64_t, RowKey>> changes_;
  std::map<RowKey, std::int64_t> change_of_;
  BootTime due_at_;
};

}  // namespace procctl::uplink
