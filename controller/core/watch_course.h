// What one watcher gets next. Pure: the ring and the time come in, the next message's content goes
// out; the shell writes it, and makes the pieces that are asked for.
//
//              slots                                          events
//   begin --> PIECES (snapshot) --end--> LIVE      begin --> PIECES (from history) --joined--> LIVE
//     |          ^                        |          |          |  a hole in the ring while here
//     |          |___ RESYNC, a hole _____|          |          |  only moves where they join
//     |_________________ resumed _________^          |__________|________ newest things ______^
//                                                     LIVE, a hole: RESYNC, on behind it
//
// Batches that come while a snapshot is under way are sent after it. Only where so many wait that
// the ring would drop them soon, some are sent between its pieces, or a large fleet that changes
// fast would be a snapshot without end.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "controller/core/mono_time.h"
#include "controller/core/watch_ring.h"

namespace procctl::controller {

// Where the next piece begins.
struct WatchPlace {
  // Of slots: behind this row.
  std::string node;
  std::string label;
  // Of events: behind this position; of those only the newest so many, unless 0.
  std::int64_t position = 0;
  int newest = 0;
};

// Rows of a snapshot, or events of the past.
struct WatchPiece {
  WatchBytes bytes;  // null: nothing matched
  WatchPlace next;
  bool end = false;  // of slots: the last one. Events end by position.
};

class WatchCourse {
 public:
  enum class What { kNothing, kPiece, kSnapshotEnd, kBatch, kBookmark, kResync };
  struct Next {
    What what = What::kNothing;
    WatchBytes bytes;  // kPiece, kBatch
    // kResync
    std::string reason;
    std::int64_t missed = 0;
    // kBookmark: where a watch with its token would go on.
    std::int64_t sequence = 0;
    std::int64_t position = 0;
  };
  // While the past is read; the live feed has its own.
  static constexpr std::chrono::seconds kBookmarkEvery{10};

  // Slots; the changes are taken up at `at`, as of ResumeSlots. With a reason, RESYNC comes before
  // the snapshot.
  static WatchCourse Snapshot(const WatchRing& ring, std::int64_t at,
                              std::string resync_reason = "");
  // At `sequence`, from first() to end() of the ring.
  static WatchCourse ResumeSlots(const WatchRing& ring, std::int64_t sequence);
  // Events behind `after`, which is not ahead of the ring; of the past only the newest so many,
  // unless 0.
  static WatchCourse EventsAfter(const WatchRing& ring, std::int64_t after, int newest,
                                 MonoTime now);
  // Events that are still to come. With a reason, RESYNC comes first.
  static WatchCourse EventsFromNow(const WatchRing& ring, std::string resync_reason = "");

  // Takes it: the next call gives what follows.
  Next TakeNext(const WatchRing& ring, MonoTime now);

  // True once for each piece that is to be made: of walk(), from place(), for events up to
  // join_position().
  bool AskForPiece();
  // A piece of an earlier walk is ignored.
  void GivePiece(std::int64_t walk, WatchPiece piece);
  // Events between what the watcher has and what is told from here on are gone for good.
  void TellHole(std::string reason, std::int64_t missed);

  std::int64_t walk() const { return walk_; }
  // Where the walk has taken up the ring.
  std::int64_t walk_began() const { return walk_began_; }
  const WatchPlace& place() const { return place_; }
  std::int64_t join_position() const { return join_position_; }

 private:
  WatchCourse(bool slots, const WatchRing& ring, std::int64_t cursor, bool pieces);

  // The cursor stands before what the ring holds. True: RESYNC is to be told.
  bool FellOut(const WatchRing& ring);
  Next TakeResync();
  Next TakePiece(MonoTime now);
  Next TakeBatch(const WatchRing& ring);

  bool slots_;
  std::int64_t cursor_;
  std::int64_t items_;  // before the cursor
  bool pieces_;
  bool asked_ = false;
  std::int64_t walk_ = 1;
  std::int64_t walk_began_;
  WatchPlace place_;
  std::int64_t join_position_ = 0;
  std::optional<WatchPiece> piece_;
  bool snapshot_end_due_ = false;
  bool bookmark_due_ = false;
  MonoTime last_bookmark_;
  std::optional<std::string> resync_;
  std::int64_t missed_ = 0;
};

}  // namespace procctl::controller
