#include "controller/core/watch_course.h"

#include <utility>

namespace procctl::controller {
namespace {

constexpr char kTooSlow[] = "the watcher was too slow: what it had not taken yet was dropped";

}  // namespace

WatchCourse::WatchCourse(bool slots, const WatchRing& ring, std::int64_t cursor, bool pieces)
    : slots_(slots),
      cursor_(cursor),
      items_(ring.ItemsBefore(cursor)),
      pieces_(pieces),
      walk_began_(cursor) {}

WatchCourse WatchCourse::Snapshot(const WatchRing& ring, std::int64_t at,
                                  std::string resync_reason) {
  WatchCourse course(/*slots=*/true, ring, at, /*pieces=*/true);
  if (!resync_reason.empty()) course.resync_ = std::move(resync_reason);
  return course;
}

WatchCourse WatchCourse::ResumeSlots(const WatchRing& ring, std::int64_t sequence) {
  WatchCourse course(/*slots=*/true, ring, sequence, /*pieces=*/false);
  course.bookmark_due_ = true;
  return course;
}

WatchCourse WatchCourse::EventsAfter(const WatchRing& ring, std::int64_t after, int newest,
                                     MonoTime now) {
  const std::int64_t join = ring.PositionBefore(ring.end());
  WatchCourse course(/*slots=*/false, ring, ring.end(), /*pieces=*/after < join);
  course.place_.position = after;
  course.place_.newest = newest;
  course.join_position_ = join;
  course.bookmark_due_ = !course.pieces_;
  course.last_bookmark_ = now;
  return course;
}

WatchCourse WatchCourse::EventsFromNow(const WatchRing& ring, std::string resync_reason) {
  WatchCourse course(/*slots=*/false, ring, ring.end(), /*pieces=*/false);
  course.bookmark_due_ = true;
  if (!resync_reason.empty()) course.resync_ = std::move(resync_reason);
  return course;
}

bool WatchCourse::FellOut(const WatchRing& ring) {
  if (!slots_) {
    const std::int64_t missed = ring.ItemsBefore(ring.first()) - items_;
    cursor_ = ring.first();
    items_ = ring.ItemsBefore(cursor_);
    if (pieces_) {
      // What the ring has dropped is still history: it is read from there.
      join_position_ = ring.PositionBefore(cursor_);
      return false;
    }
    missed_ += missed;
  } else {
    cursor_ = ring.end();
    ++walk_;
    walk_began_ = cursor_;
    pieces_ = true;
    asked_ = false;
    place_ = {};
    piece_.reset();
    snapshot_end_due_ = false;
    bookmark_due_ = false;
  }
  resync_ = kTooSlow;
  return true;
}

WatchCourse::Next WatchCourse::TakeResync() {
  Next next;
  next.what = What::kResync;
  next.reason = *std::exchange(resync_, std::nullopt);
  next.missed = std::exchange(missed_, 0);
  return next;
}

WatchCourse::Next WatchCourse::TakeBatch(const WatchRing& ring) {
  const WatchRing::Batch* batch = ring.At(cursor_);
  Next next;
  if (batch == nullptr) return next;
  ++cursor_;
  items_ += batch->items;
  next.what = What::kBatch;
  next.bytes = batch->bytes;
  return next;
}

WatchCourse::Next WatchCourse::TakePiece(MonoTime now) {
  WatchPiece piece = *std::exchange(piece_, std::nullopt);
  asked_ = false;
  place_ = std::move(piece.next);
  const bool end = slots_ ? piece.end : place_.position >= join_position_;
  if (end) {
    pieces_ = false;
    snapshot_end_due_ = slots_;
    bookmark_due_ = true;
  } else if (!slots_ && now - last_bookmark_ >= kBookmarkEvery) {
    bookmark_due_ = true;
    last_bookmark_ = now;
  }
  Next next;
  if (piece.bytes == nullptr) return next;
  next.what = What::kPiece;
  next.bytes = std::move(piece.bytes);
  return next;
}

WatchCourse::Next WatchCourse::TakeNext(const WatchRing& ring, MonoTime now) {
  if (resync_) return TakeResync();
  if (cursor_ < ring.first() && FellOut(ring)) return TakeResync();
  if (pieces_ && slots_) {
    // A bookmark now would promise a copy that is whole.
    while (ring.BytesFrom(cursor_) > ring.most_bytes() / 2) {
      const bool bookmark = ring.At(cursor_)->bookmark;
      Next next = TakeBatch(ring);
      if (!bookmark) return next;
    }
  }
  if (bookmark_due_ && !snapshot_end_due_) {
    bookmark_due_ = false;
    Next next;
    next.what = What::kBookmark;
    next.sequence = cursor_;
    next.position = pieces_ ? place_.position : ring.PositionBefore(cursor_);
    return next;
  }
  if (pieces_) {
    if (!piece_) return {};
    Next next = TakePiece(now);
    // An empty piece may be the last one, and then something else follows.
    return next.what == What::kNothing ? TakeNext(ring, now) : next;
  }
  if (std::exchange(snapshot_end_due_, false)) {
    Next next;
    next.what = What::kSnapshotEnd;
    return next;
  }
  return TakeBatch(ring);
}

bool WatchCourse::AskForPiece() {
  if (!pieces_ || asked_) return false;
  asked_ = true;
  return true;
}

void WatchCourse::GivePiece(std::int64_t walk, WatchPiece piece) {
  if (walk == walk_ && pieces_) piece_ = std::move(piece);
}

void WatchCourse::TellHole(std::string reason, std::int64_t missed) {
  resync_ = std::move(reason);
  missed_ += missed;
}

}  // namespace procctl::controller
