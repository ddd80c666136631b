// Feeds all watches. One thread of its own does all the building, however many watch: every batch
// is made once per kind and filter (WatchFeed), every watch only sends it (WatchStream).
//
//   Fleet (keys of changed rows) --\                       /-- WatchStream --> a client
//                                   >- this thread - feeds ---- WatchStream --> a client
//   EventTail (committed events) --/                       \-- ...
//   Fleet (rows in pieces), History (older events) ------------ for one WatchStream alone
//
// With nobody to feed the thread sleeps, and nothing is noted or kept for it.
#pragma once

#include <grpcpp/server_context.h>

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/synchronization/mutex.h"
#include "controller/rpc/admission.h"
#include "controller/rpc/event_tail.h"
#include "controller/rpc/fleet.h"
#include "controller/rpc/past_events.h"
#include "controller/rpc/slot_feeder.h"
#include "controller/rpc/watch_feed.h"
#include "controller/rpc/watch_request.h"
#include "controller/rpc/watch_stream.h"

namespace procctl::controller {

class WatchHub {
 public:
  // The rings of all feeds together.
  static constexpr std::size_t kMostBytes = 24 << 20;
  // What all feeds together remember of who may hold which row.
  static constexpr std::size_t kMostKnownRows = 1'000'000;
  // The pieces of snapshots that all feeds together keep for the next watcher.
  static constexpr std::size_t kMostSnapshotBytes = 8 << 20;

  // At most `most` watches at a time. All else outlives this; `readers` is stopped before.
  WatchHub(Fleet* fleet, EventTail* tail, History* history, ReaderThreads* readers,
           const Admission* admission, int most);
  ~WatchHub();

  // RESOURCE_EXHAUSTED beyond the most. The reactor belongs to gRPC until its OnDone.
  absl::StatusOr<std::shared_ptr<WatchStream>> Make(grpc::CallbackServerContext* context,
                                                    WatchOrder order);

  // Ends the thread; streams are then fed no more. Idempotent.
  void Stop();

 private:
  struct Newcomer {
    std::weak_ptr<WatchStream> stream;
    WatchOrder order;
  };
  using Feeds = std::vector<std::shared_ptr<WatchFeed>>;

  void Loop();
  // Waits for work, or for the next build. False: stopping.
  bool Wait(std::vector<Newcomer>* newcomers);
  bool HasWork() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return stopping_ || !newcomers_.empty() || !orders_.empty();
  }

  void Welcome(const Newcomer& newcomer, MonoTime now);
  std::shared_ptr<WatchFeed> FeedFor(const WatchOrder& order, MonoTime now);
  static WatchCourse SnapshotFor(WatchFeed* feed, MonoTime now, std::string resync_reason)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(feed->mutex);
  static WatchCourse CourseFor(const WatchOrder& order, WatchFeed* feed, MonoTime now);
  void Build(MonoTime now);
  static void FeedEvents(const Feeds& feeds, EventTail::Taken taken);
  static void AddBookmark(WatchFeed* feed, MonoTime now);
  void BoundRings() const;
  // Streams that have ended, feeds that nobody watches any more, watchers that take nothing; all of
  // them while memory is short.
  void Sweep(MonoTime now);
  void MakePieces(MonoTime until);
  Feeds Of(WatchFeed::Kind kind) const;

  Fleet* const fleet_;
  EventTail* const tail_;
  const Admission* const admission_;
  // The thread's own, as all below that the mutex does not guard; feeds give back what they took.
  std::size_t known_budget_ = kMostKnownRows;
  std::size_t snapshot_budget_ = kMostSnapshotBytes;
  SlotFeeder slot_feeder_;
  PastEvents past_events_;
  const int most_;
  const std::string life_;
  std::atomic<int> watches_{0};

  absl::flat_hash_map<std::pair<WatchFeed::Kind, std::string>, std::shared_ptr<WatchFeed>> feeds_;
  std::int64_t last_feed_ = 0;
  std::int64_t built_position_ = 0;  // of the tail, while there are feeds of events
  MonoTime next_build_;
  MonoTime next_sweep_;

  absl::Mutex mutex_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<Newcomer> newcomers_ ABSL_GUARDED_BY(mutex_);
  std::deque<WatchStream::PieceOrder> orders_ ABSL_GUARDED_BY(mutex_);
  std::thread thread_;
};

}  // namespace procctl::controller
