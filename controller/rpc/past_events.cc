#include "controller/rpc/past_events.h"

#include <memory>
#include <utility>

#include "controller/core/watch_messages.h"
#include "controller/rpc/fleet_messages.h"
#include "spdlog/fmt/fmt.h"

namespace procctl::controller {
namespace {

constexpr int kEventsPerPiece = 1000;

}  // namespace

void PastEvents::Ask(WatchStream::PieceOrder order) {
  {
    absl::MutexLock lock(&mutex_);
    waiting_.push_back(std::move(order));
  }
  Start();
}

void PastEvents::Start() {
  for (;;) {
    WatchStream::PieceOrder order;
    {
      absl::MutexLock lock(&mutex_);
      if (waiting_.empty() || running_ >= kMostAtATime) return;
      order = std::move(waiting_.front());
      waiting_.pop_front();
      ++running_;
    }
    const bool submitted = readers_->Submit([this, order] {
      Read(order);
      {
        absl::MutexLock lock(&mutex_);
        --running_;
      }
      Start();
    });
    if (submitted) continue;
    absl::MutexLock lock(&mutex_);
    --running_;
    waiting_.push_front(std::move(order));
    return;
  }
}

absl::Status PastEvents::CheckReach(const WatchStream::PieceOrder& order, WatchStream* stream) {
  EventQuery query;
  query.limit = 1;
  const auto page = history_->Query(query);
  if (!page.ok()) return page.status();
  const std::int64_t first =
      page->events.empty() ? order.join_position + 1 : page->events.front().position;
  if (first <= order.place.position + 1) return absl::OkStatus();
  // How many of those that are gone would have matched, nobody knows any more.
  const bool all = order.feed->filter.MatchesEverything();
  stream->TellHole(fmt::format("the history no longer holds the events from position {} to {}",
                               order.place.position + 1, first - 1),
                   all ? first - 1 - order.place.position : 0);
  return absl::OkStatus();
}

void PastEvents::Read(const WatchStream::PieceOrder& order) {
  const std::shared_ptr<WatchStream> stream = order.stream.lock();
  if (stream == nullptr) return;
  // Who asks for the newest does not care how far history reaches.
  if (order.first && order.place.newest == 0) {
    if (const absl::Status s = CheckReach(order, stream.get()); !s.ok()) return stream->End(s);
  }
  EventQuery query;
  query.filter = order.feed->filter;
  query.after_position = order.place.position;
  query.newest = order.place.newest;
  query.limit = kEventsPerPiece;
  query.limit_bytes = kWatchMessageBytes;
  auto page = history_->Query(query);
  if (!page.ok()) return stream->End(page.status());
  WatchPiece piece;
  piece.next.position = page->more ? page->events.back().position : order.join_position;
  v1::WatchResponse response;
  for (LoggedEvent& logged : page->events) {
    // What is behind the join comes by the ring.
    if (logged.position > order.join_position) {
      piece.next.position = order.join_position;
      break;
    }
    ToMessage(std::move(logged), response.mutable_events()->add_events());
  }
  if (response.has_events()) {
    piece.bytes = std::make_shared<const std::string>(response.SerializeAsString());
  }
  stream->GivePiece(order.walk, std::move(piece));
}

}  // namespace procctl::controller
