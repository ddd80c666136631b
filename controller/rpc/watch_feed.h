// What all watches of one kind and filter share: the ring of batches that each of them sends, and
// who they are. The hub's thread adds to it; gRPC's threads take from the ring.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "controller/core/known_rows.h"
#include "controller/core/mono_time.h"
#include "controller/core/snapshot_cache.h"
#include "controller/core/watch_ring.h"
#include "proto/support/filter.h"

namespace procctl::controller {

class WatchStream;

struct WatchFeed {
  enum class Kind { kSlots, kEvents };
  // Several seconds of a feed that changes fast.
  static constexpr std::size_t kMostBytes = 4 << 20;

  WatchFeed(Kind kind_, Filter filter_, std::string life_, std::int64_t id_, std::int64_t position,
            std::size_t* known_budget, std::size_t* snapshot_budget)
      : kind(kind_),
        filter(std::move(filter_)),
        life(std::move(life_)),
        id(id_),
        known(known_budget),
        snapshots(snapshot_budget),
        ring(kMostBytes, position) {}

  // The token of a watch that has everything before `sequence`, or of events up to `position`.
  std::string Token(std::int64_t sequence, std::int64_t position) const;

  const Kind kind;
  const Filter filter;
  const std::string life;  // of the controller
  const std::int64_t id;   // within that life

  // The hub's thread only.
  KnownRows known;
  SnapshotCache snapshots;
  std::vector<std::weak_ptr<WatchStream>> streams;
  bool news = false;  // there are batches since the last bookmark
  MonoTime last_news;
  MonoTime last_bookmark;
  MonoTime last_watched;

  mutable absl::Mutex mutex;  // a leaf
  WatchRing ring ABSL_GUARDED_BY(mutex);
};

}  // namespace procctl::controller
