// Events that the uplink has not spooled yet. Bounded: when it is full the oldest are folded into
// one record that says which numbers are lost, so the gap is a fact on record and never silence.
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>

#include "procctl/v1/event.pb.h"

namespace procctl::node {

class EventRing {
 public:
  // `capacity` is at least 2.
  EventRing(int64_t epoch, size_t capacity) : epoch_(epoch), capacity_(capacity) {}

  // Numbers the event and keeps it.
  const v1::Event& Add(v1::Event event);

  // Of an earlier guardian, in order, before the first Add: kept as they are.
  void Restore(v1::Event event);
  // Numbers up to this one were given out already.
  void NumberFrom(int64_t last_seq) { last_seq_ = std::max(last_seq_, last_seq); }

  // Everything of this epoch up to and including seq is in safe hands. Other epochs and numbers
  // never given out are ignored.
  void Spooled(int64_t epoch, int64_t seq);

  // Oldest first, without gaps.
  const std::deque<v1::Event>& events() const { return events_; }
  int64_t last_seq() const { return last_seq_; }
  int64_t epoch() const { return epoch_; }

 private:
  void FoldOldest();

  int64_t epoch_;
  size_t capacity_;
  int64_t last_seq_ = 0;
  std::deque<v1::Event> events_;
};

}  // namespace procctl::node
