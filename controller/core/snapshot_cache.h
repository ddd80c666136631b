// Pieces of snapshots of one feed that were made a moment ago for one watcher, and are good for
// others: after a restart of the controller all watchers ask for the same rows at the same time.
//
// A piece shows rows as they were when it was made; what changed since then is in the ring. So it
// is good for a watcher that takes up the ring no later than that. Those that begin within
// kMostAge take it up at one place, where the first of them did.
//
// Bounded: kMostBytes, and all feeds together by the budget they share. Pure; one thread.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "controller/core/mono_time.h"
#include "controller/core/watch_course.h"
#include "controller/core/watch_ring.h"

namespace procctl::controller {

class SnapshotCache {
 public:
  static constexpr std::size_t kMostBytes = 2 << 20;
  // Rows carry ages, which are as old as their piece.
  static constexpr std::chrono::seconds kMostAge{2};

  // `budget`: how many more bytes all of them may hold; outlives this.
  explicit SnapshotCache(std::size_t* budget) : budget_(budget) {}
  SnapshotCache(const SnapshotCache&) = delete;
  SnapshotCache& operator=(const SnapshotCache&) = delete;
  ~SnapshotCache() { Forget(); }

  // Where a snapshot that begins now takes up the ring.
  std::int64_t Join(const WatchRing& ring, MonoTime now) {
    const bool joins = now - since_ <= kMostAge && began_ >= ring.first() &&
                       ring.BytesFrom(began_) <= ring.most_bytes() / 4;
    if (joins) return began_;
    Forget();
    began_ = ring.end();
    since_ = now;
    return began_;
  }

  // The piece behind `from` for a snapshot that took up the ring at `began`; null if it has to be
  // made.
  const WatchPiece* Find(std::int64_t began, const WatchPlace& from, MonoTime now) const {
    if (began > began_) return nullptr;
    const auto it = pieces_.find(Key(from));
    if (it == pieces_.end() || now - it->second.made > kMostAge) return nullptr;
    return &it->second.piece;
  }

  // Made just now.
  void Keep(const WatchPlace& from, const WatchPiece& piece, MonoTime now) {
    const std::size_t bytes = BytesOf(piece);
    while (!order_.empty() && bytes_ + bytes > kMostBytes) DropOldest();
    if (bytes > kMostBytes || bytes > *budget_) return;
    const auto [it, added] = pieces_.try_emplace(Key(from), Kept{piece, now});
    if (!added) {
      Account(BytesOf(it->second.piece), /*held=*/false);
      it->second = {piece, now};
    } else {
      order_.push_back(it->first);
    }
    Account(bytes, /*held=*/true);
  }

  // Lets go of what is too old for anybody.
  void Expire(MonoTime now) {
    while (!order_.empty() && now - pieces_.find(order_.front())->second.made > kMostAge) {
      DropOldest();
    }
  }

 private:
  using RowKey = std::pair<std::string, std::string>;
  struct Kept {
    WatchPiece piece;
    MonoTime made;
  };

  static RowKey Key(const WatchPlace& place) { return {place.node, place.label}; }
  // With what the entry itself costs.
  static std::size_t BytesOf(const WatchPiece& piece) {
    return 256 + (piece.bytes == nullptr ? 0 : piece.bytes->size());
  }
  void Account(std::size_t bytes, bool held) {
    bytes_ = held ? bytes_ + bytes : bytes_ - bytes;
    *budget_ = held ? *budget_ - bytes : *budget_ + bytes;
  }
  void DropOldest() {
    const auto it = pieces_.find(order_.front());
    Account(BytesOf(it->second.piece), /*held=*/false);
    pieces_.erase(it);
    order_.pop_front();
  }
  void Forget() {
    while (!order_.empty()) DropOldest();
  }

  std::size_t* budget_;
  std::size_t bytes_ = 0;
  std::int64_t began_ = 0;
  MonoTime since_;
  absl::flat_hash_map<RowKey, Kept> pieces_;
  std::deque<RowKey> order_;  // as they were made first
};

}  // namespace procctl::controller
