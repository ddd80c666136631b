// The oldest events that no controller has acknowledged, in memory, ready to be sent. What does not
// fit stays in the spool alone and is paged in as the window drains. Pure; the caller locks.
//
//     acknowledged | window (memory, bounded) | beyond (spool only) | newest()
//
// Bounded by events and by bytes: most events are a few hundred bytes, one with evidence is 32 KiB.
//
// Events keep their index for the whole life of the window, whatever is taken away before them, so
// a sender can hold its place in one number.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <vector>

#include "node/uplink/event_numbers.h"

namespace procctl::uplink {

class EventWindow {
 public:
  static constexpr std::size_t kMostBytes = 32 << 20;

  // Takes one event more than `most_bytes` allows, so that a large one is never stuck.
  explicit EventWindow(std::size_t capacity, std::size_t most_bytes = kMostBytes)
      : capacity_(capacity), most_bytes_(most_bytes) {}

  // A new event, greater than newest(). Kept if everything before it is in the window and there is
  // room, else only noted as beyond.
  void Add(v1::Event event);

  // What to read from the spool: events after `after`, at most `limit`, and none beyond the one
  // that reaches limit_bytes (as serialized); newest as of now. Neither limit is zero.
  struct Page {
    EventPosition after;
    EventPosition newest;
    std::size_t limit = 0;
    std::size_t limit_bytes = kMostBytes;
  };
  // Set while something lies beyond and at least half of the window is free.
  std::optional<Page> WantedPage() const;

  // The answer. Events beyond `scanned` were not looked at. Ignored if `after` is no longer where
  // the window ends.
  void Extend(EventPosition after, std::vector<v1::Event> events, EventPosition scanned);

  // Everything of that epoch up to that seq is committed by a controller.
  void Acknowledge(EventPosition upto);
  // Highest acknowledged seq of that epoch, as far as this window was told; 0 if nothing.
  std::int64_t acknowledged(std::int64_t epoch) const;

  // The spool folded everything of the record's epoch up to its seq into `record`.
  void Fold(v1::Event record);

  // Forgets all events: they are all to be paged in again, up to `newest` at least.
  void Reset(EventPosition newest);

  std::uint64_t begin_index() const { return begin_; }
  std::uint64_t end_index() const { return begin_ + events_.size(); }
  const v1::Event& at(std::uint64_t index) const { return events_[index - begin_]; }

  std::size_t size() const { return events_.size(); }
  // Of its events, as serialized.
  std::size_t bytes() const { return bytes_; }
  EventPosition newest() const { return newest_; }
  // True if events lie in the spool alone.
  bool beyond() const { return end_ < newest_; }

 private:
  std::size_t capacity_;
  std::size_t most_bytes_;
  std::size_t bytes_ = 0;
  std::deque<v1::Event> events_;
  std::uint64_t begin_ = 0;
  // Position of the last event that was ever taken in: where paging goes on.
  EventPosition end_;
  EventPosition newest_;
  std::map<std::int64_t, std::int64_t> acknowledged_;
};

}  // namespace procctl::uplink
