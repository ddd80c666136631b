// From the fleet to the feeds of slots: what has changed as batches, and the pieces of snapshots.
// The hub's thread only; holds the fleet's lock for some milliseconds at a time at most.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "controller/core/row_changes.h"
#include "controller/core/watch_course.h"
#include "controller/core/watch_messages.h"
#include "controller/rpc/fleet.h"
#include "controller/rpc/watch_feed.h"

namespace procctl::controller {

class SlotFeeder {
 public:
  explicit SlotFeeder(const Fleet* fleet) : fleet_(fleet) {}

  // Reads the rows as they are now. `feeds` are of slots.
  void Feed(const std::vector<std::shared_ptr<WatchFeed>>& feeds, const RowChanges::Taken& changes);

  // Rows behind `from` in their order, as many as a message takes or one hold of the lock finds.
  WatchPiece MakePiece(WatchFeed* feed, const WatchPlace& from);

 private:
  struct Out {
    WatchFeed* feed;
    RowMessages messages;
  };
  struct Key {
    std::string_view node;
    std::int64_t generation;
  };
  void FeedRows(const std::vector<Key>& keys, std::vector<Out>* outs);
  void FeedNode(const std::string& node, const RowChanges::OfNode& changes, std::vector<Out>* outs);

  const Fleet* const fleet_;
};

}  // namespace procctl::controller
