// The batches of one feed, as all its watchers send them: made once, held once, numbered. A watcher
// is a sequence number into it; what was dropped before a watcher came to it is a hole for that
// watcher, which WatchCourse deals with.
//
// Bounded in bytes. Pure data; the shell holds a lock around it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>

namespace procctl::controller {

// A serialised WatchResponse.
using WatchBytes = std::shared_ptr<const std::string>;

class WatchRing {
 public:
  struct Batch {
    WatchBytes bytes;
    std::int64_t items = 0;  // events in it
    bool bookmark = false;
    // In all batches before this one.
    std::int64_t items_before = 0;
    std::uint64_t bytes_before = 0;
    // Of events: what was looked at before this batch.
    std::int64_t position_before = 0;
  };

  // The oldest are dropped while there are more than `most_bytes`, but never the newest one.
  // `position`: of events, what counts as looked at already.
  WatchRing(std::size_t most_bytes, std::int64_t position)
      : most_bytes_(most_bytes), position_(position) {}

  // Everything up to `position` was looked at; the last of it that matches is in this batch.
  void Add(WatchBytes bytes, std::int64_t items, std::int64_t position);
  void AddBookmark(WatchBytes bytes);
  // The same, where nothing matched.
  void Cover(std::int64_t position) { position_ = position; }

  // Nothing if no more than the newest batch is held. Returns the bytes that became free.
  std::size_t DropOldest();
  // What follows does not join what was: everybody is behind from here on.
  void Break(std::int64_t position);

  // The oldest that is held, and the next that will be; the same if none is.
  std::int64_t first() const { return end_ - static_cast<std::int64_t>(batches_.size()); }
  std::int64_t end() const { return end_; }
  // Null unless first() <= sequence < end().
  const Batch* At(std::int64_t sequence) const;

  std::size_t most_bytes() const { return most_bytes_; }
  std::size_t bytes() const { return static_cast<std::size_t>(BytesFrom(first())); }
  // All three: first() <= sequence <= end().
  std::uint64_t BytesFrom(std::int64_t sequence) const;
  std::int64_t ItemsBefore(std::int64_t sequence) const;
  std::int64_t PositionBefore(std::int64_t sequence) const;

 private:
  void Append(Batch batch);

  const std::size_t most_bytes_;
  std::int64_t position_;
  std::int64_t end_ = 1;
  std::int64_t items_ = 0;
  std::uint64_t bytes_ = 0;  // ever added
  std::deque<Batch> batches_;
};

}  // namespace procctl::controller
