#include "controller/rpc/watch_hub.h"

#include <algorithm>
#include <utility>

#include "absl/time/time.h"
#include "controller/core/event_match.h"
#include "controller/core/watch_messages.h"
#include "controller/rpc/clocks.h"
#include "controller/rpc/fleet_messages.h"
#include "spdlog/fmt/fmt.h"

namespace procctl::controller {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// Changes of so long go out together.
constexpr milliseconds kBuildEvery{150};
constexpr seconds kSweepEvery{1};
// Well below the 15 s that clients are promised, and one after the last of a run of changes.
constexpr seconds kBookmarkEvery{10};
constexpr milliseconds kQuiet{500};
// Who reconnects finds its feed as it was.
constexpr seconds kLinger{30};

// Differs between any two starts, for all practical purposes.
std::string NewLife() { return fmt::format("{:x}", WallNow().time_since_epoch().count()); }

}  // namespace

WatchHub::WatchHub(Fleet* fleet, EventTail* tail, History* history, ReaderThreads* readers,
                   const Admission* admission, int most)
    : fleet_(fleet),
      tail_(tail),
      admission_(admission),
      slot_feeder_(fleet),
      past_events_(history, readers),
      most_(most),
      life_(NewLife()) {
  thread_ = std::thread([this] { Loop(); });
}

WatchHub::~WatchHub() { Stop(); }

void WatchHub::Stop() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  if (thread_.joinable()) thread_.join();
}

absl::StatusOr<std::shared_ptr<WatchStream>> WatchHub::Make(grpc::CallbackServerContext* context,
                                                            WatchOrder order) {
  if (watches_.fetch_add(1) >= most_) {
    watches_.fetch_sub(1);
    return absl::ResourceExhaustedError(
        fmt::format("there are {} watches already, the most that limits.watches allows", most_));
  }
  const bool slots = order.kind == WatchFeed::Kind::kSlots;
  auto stream = WatchStream::Make(
      context,
      [this, slots](WatchStream::PieceOrder piece) {
        if (!slots) return past_events_.Ask(std::move(piece));
        absl::MutexLock lock(&mutex_);
        orders_.push_back(std::move(piece));
      },
      [this] { watches_.fetch_sub(1); });
  absl::MutexLock lock(&mutex_);
  newcomers_.push_back({stream, std::move(order)});
  return stream;
}

void WatchHub::Loop() {
  std::vector<Newcomer> newcomers;
  while (Wait(&newcomers)) {
    for (const Newcomer& newcomer : newcomers) Welcome(newcomer, MonoNow());
    newcomers.clear();
    const MonoTime now = MonoNow();
    if (now >= next_build_) {
      Build(now);
      next_build_ = MonoNow() + kBuildEvery;
    }
    if (now >= next_sweep_) {
      Sweep(now);
      next_sweep_ = now + kSweepEvery;
    }
    // However long the snapshots are, changes go out in time.
    MakePieces(next_build_);
  }
}

bool WatchHub::Wait(std::vector<Newcomer>* newcomers) {
  const absl::Condition has_work(this, &WatchHub::HasWork);
  absl::MutexLock lock(&mutex_);
  if (feeds_.empty()) {
    mutex_.Await(has_work);
  } else {
    mutex_.AwaitWithTimeout(has_work, absl::FromChrono(next_build_ - MonoNow()));
  }
  newcomers->swap(newcomers_);
  return !stopping_;
}

WatchHub::Feeds WatchHub::Of(WatchFeed::Kind kind) const {
  Feeds feeds;
  for (const auto& [key, feed] : feeds_) {
    if (feed->kind == kind) feeds.push_back(feed);
  }
  return feeds;
}

std::shared_ptr<WatchFeed> WatchHub::FeedFor(const WatchOrder& order, MonoTime now) {
  const std::pair key(order.kind, order.filter_text);
  if (const auto known = feeds_.find(key); known != feeds_.end()) return known->second;
  // The first of its kind: from here on nothing is missed.
  const bool first = Of(order.kind).empty();
  if (order.kind == WatchFeed::Kind::kSlots) {
    if (first) fleet_->NoteChanges(true);
  } else if (first) {
    built_position_ = tail_->Keep(true);
  }
  auto feed = std::make_shared<WatchFeed>(order.kind, order.filter, life_, ++last_feed_,
                                          built_position_, &known_budget_, &snapshot_budget_);
  feed->last_bookmark = now;
  feeds_.emplace(key, feed);
  return feed;
}

WatchCourse WatchHub::SnapshotFor(WatchFeed* feed, MonoTime now, std::string resync_reason) {
  const std::int64_t place = feed->snapshots.Join(feed->ring, now);
  return WatchCourse::Snapshot(feed->ring, place, std::move(resync_reason));
}

WatchCourse WatchHub::CourseFor(const WatchOrder& order, WatchFeed* feed, MonoTime now) {
  absl::MutexLock lock(&feed->mutex);
  if (order.slots) {
    if (order.slots->life != feed->life) {
      return SnapshotFor(feed, now, "the token is of another life of the controller");
    }
    const std::int64_t sequence = order.slots->sequence;
    if (order.slots->feed != feed->id || sequence < feed->ring.first() ||
        sequence > feed->ring.end()) {
      return SnapshotFor(feed, now, "the token is too old: what came after it was dropped");
    }
    return WatchCourse::ResumeSlots(feed->ring, sequence);
  }
  if (order.kind == WatchFeed::Kind::kSlots) return SnapshotFor(feed, now, "");
  if (order.after_position) {
    const std::int64_t end = feed->ring.PositionBefore(feed->ring.end());
    if (*order.after_position > end) {
      return WatchCourse::EventsFromNow(
          feed->ring,
          fmt::format("the token is of position {}, and the history ends at {}: it is an "
                      "older one, or another",
                      *order.after_position, end));
    }
    return WatchCourse::EventsAfter(feed->ring, *order.after_position, /*newest=*/0, now);
  }
  if (order.newest > 0) return WatchCourse::EventsAfter(feed->ring, /*after=*/0, order.newest, now);
  return WatchCourse::EventsFromNow(feed->ring);
}

void WatchHub::Welcome(const Newcomer& newcomer, MonoTime now) {
  const std::shared_ptr<WatchStream> stream = newcomer.stream.lock();
  if (stream == nullptr) return;
  const std::shared_ptr<WatchFeed> feed = FeedFor(newcomer.order, now);
  feed->last_watched = now;
  feed->streams.push_back(stream);
  stream->Begin(feed, CourseFor(newcomer.order, feed.get(), now));
}

void WatchHub::Build(MonoTime now) {
  if (const Feeds slots = Of(WatchFeed::Kind::kSlots); !slots.empty()) {
    slot_feeder_.Feed(slots, fleet_->TakeChanges());
  }
  if (const Feeds events = Of(WatchFeed::Kind::kEvents); !events.empty()) {
    EventTail::Taken taken = tail_->Take();
    built_position_ = taken.position;
    FeedEvents(events, std::move(taken));
  }
  for (const auto& [key, feed] : feeds_) {
    const bool news = std::exchange(feed->news, false);
    if (news) feed->last_news = now;
    const bool quiet = feed->last_news > feed->last_bookmark && now - feed->last_news > kQuiet;
    const bool bookmark = quiet || now - feed->last_bookmark > kBookmarkEvery;
    if (bookmark) AddBookmark(feed.get(), now);
    if (!news && !bookmark) continue;
    for (const std::weak_ptr<WatchStream>& weak : feed->streams) {
      if (const auto stream = weak.lock()) stream->Pump();
    }
  }
  BoundRings();
  past_events_.Start();
}

void WatchHub::FeedEvents(const Feeds& feeds, EventTail::Taken taken) {
  std::vector<v1::StoredEvent> events(taken.events.size());
  for (size_t i = 0; i < events.size(); ++i) ToMessage(std::move(taken.events[i]), &events[i]);
  for (const std::shared_ptr<WatchFeed>& feed : feeds) {
    EventMessages messages;
    for (const v1::StoredEvent& event : events) {
      if (Matches(feed->filter, event.event())) messages.Add(event);
    }
    absl::MutexLock lock(&feed->mutex);
    for (EventMessages::Message& message : messages.Take()) {
      feed->ring.Add(std::move(message.bytes), message.items, message.last_position);
      feed->news = true;
    }
    feed->ring.Cover(taken.position);
    if (!taken.overflowed) continue;
    feed->ring.Break(taken.position);
    feed->news = true;
  }
}

void WatchHub::AddBookmark(WatchFeed* feed, MonoTime now) {
  feed->last_bookmark = now;
  absl::MutexLock lock(&feed->mutex);
  const std::int64_t next = feed->ring.end() + 1;
  const std::int64_t position = feed->ring.PositionBefore(feed->ring.end());
  feed->ring.AddBookmark(BookmarkMessage(feed->Token(next, position), WallNow()));
}

void WatchHub::BoundRings() const {
  const auto bytes_of = [](const WatchFeed& feed) {
    absl::MutexLock lock(&feed.mutex);
    return feed.ring.bytes();
  };
  std::vector<std::pair<std::size_t, WatchFeed*>> sizes;
  std::size_t total = 0;
  for (const auto& [key, feed] : feeds_) {
    sizes.emplace_back(bytes_of(*feed), feed.get());
    total += sizes.back().first;
  }
  if (total <= kMostBytes) return;
  // The largest give way first: whoever follows them has the most to catch up on as it is.
  std::make_heap(sizes.begin(), sizes.end());
  while (total > kMostBytes && !sizes.empty()) {
    std::pop_heap(sizes.begin(), sizes.end());
    auto& [bytes, feed] = sizes.back();
    std::size_t freed = 0;
    {
      absl::MutexLock lock(&feed->mutex);
      freed = feed->ring.DropOldest();
    }
    if (freed == 0) {
      sizes.pop_back();
      continue;
    }
    total -= freed;
    bytes -= freed;
    std::push_heap(sizes.begin(), sizes.end());
  }
}

void WatchHub::Sweep(MonoTime now) {
  for (const auto& [key, feed] : feeds_) {
    auto& streams = feed->streams;
    streams.erase(std::remove_if(streams.begin(), streams.end(),
                                 [](const auto& weak) { return weak.expired(); }),
                  streams.end());
    feed->snapshots.Expire(now);
    if (!streams.empty()) feed->last_watched = now;
    for (const std::weak_ptr<WatchStream>& weak : streams) {
      const auto stream = weak.lock();
      if (stream == nullptr) continue;
      if (absl::Status may_go_on = admission_->Check(); !may_go_on.ok()) {
        stream->End(may_go_on);
      } else {
        stream->CutIfStuck(now);
      }
    }
  }
  const auto linger = feeds_.size() > static_cast<size_t>(most_) ? seconds(0) : kLinger;
  absl::erase_if(feeds_, [&](const auto& entry) {
    return entry.second->streams.empty() && now - entry.second->last_watched > linger;
  });
  if (Of(WatchFeed::Kind::kSlots).empty()) fleet_->NoteChanges(false);
  if (Of(WatchFeed::Kind::kEvents).empty()) (void)tail_->Keep(false);
}

void WatchHub::MakePieces(MonoTime until) {
  do {
    WatchStream::PieceOrder order;
    {
      absl::MutexLock lock(&mutex_);
      if (orders_.empty()) return;
      order = std::move(orders_.front());
      orders_.pop_front();
    }
    const std::shared_ptr<WatchStream> stream = order.stream.lock();
    if (stream == nullptr) continue;
    SnapshotCache& snapshots = order.feed->snapshots;
    const MonoTime now = MonoNow();
    if (const WatchPiece* kept = snapshots.Find(order.walk_began, order.place, now)) {
      stream->GivePiece(order.walk, *kept);
      continue;
    }
    WatchPiece piece = slot_feeder_.MakePiece(order.feed.get(), order.place);
    snapshots.Keep(order.place, piece, now);
    stream->GivePiece(order.walk, std::move(piece));
  } while (MonoNow() < until);
}

}  // namespace procctl::controller
