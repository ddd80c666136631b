// The events of one simulated node that no controller has acknowledged: numbered without gaps, kept
// in order, bounded. What does not fit is folded into EVENTS_LOST records, as a real node does.
//
// An event is kept as the few facts it is made of; the message is built when it is sent, so that
// ten thousand nodes fit into one process. Pure: no clock, no lock.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "procctl/v1/event.pb.h"
#include "procctl/v1/node_service.pb.h"

namespace procctl::fleetsim {

// What an event says of an order that it answers.
struct OrderFacts {
  std::string order_id;
  std::string issuer;
  std::string reason;
  std::string slot;
  v1::Incarnation incarnation;
  v1::Verdict verdict = v1::VERDICT_UNSPECIFIED;
  std::string program;
  std::int64_t hold_until_ns = 0;  // wall time; 0: none
};

struct SimEvent {
  v1::EventKind kind = v1::EVENT_KIND_UNSPECIFIED;
  std::uint32_t slot = 0;       // index into the node's table; for events without an order
  std::int64_t generation = 0;  // of that slot then
  std::int64_t wall_ns = 0;     // when it happened
  std::int64_t mono_ns = 0;     // the same moment, for the time until it is acknowledged
  std::unique_ptr<OrderFacts> order;
};

class EventBook {
 public:
  struct Record {
    // first < last only for EVENTS_LOST.
    std::int64_t first = 0;
    std::int64_t last = 0;
    SimEvent event;
  };

  // `most`: records kept at a time, at least 8.
  EventBook(std::int64_t epoch, std::size_t most);

  std::int64_t epoch() const { return epoch_; }
  // 0: none yet.
  std::int64_t last_seq() const { return next_seq_ - 1; }
  std::size_t waiting() const { return records_.size(); }
  // Numbers that EVENTS_LOST records stand for, so far.
  std::int64_t lost() const { return lost_; }

  // Numbers it; may fold the oldest ones that answer no order.
  std::int64_t Add(SimEvent event);

  // A session begins: sending goes on after the controller's cursor. False: the controller claims
  // events of this epoch that were never made, which only a cloned node or a foreign history
  // explains; nothing is changed then.
  bool Begin(std::int64_t cursor);

  // Everything up to `seq` is committed. Returns what left the book, for its age. Numbers beyond
  // what was ever made are refused: nothing leaves then, and *invented is set.
  std::vector<Record> Acknowledge(std::int64_t seq, bool* invented);

  bool HasUnsent() const { return !records_.empty() && records_.back().last >= unsent_; }
  // First number that was not handed over in this session.
  std::int64_t UnsentFrom() const { return unsent_; }
  // The next records to hand over, at most `most`; they count as sent in this session. The pointers
  // are good until the next call of anything else.
  std::vector<const Record*> TakeUnsent(std::size_t most);

  // For Hello; empty if the book is.
  std::optional<v1::HeldEvents> Held() const;

 private:
  void Fold();

  const std::int64_t epoch_;
  const std::size_t most_;
  std::deque<Record> records_;
  std::int64_t next_seq_ = 1;
  std::int64_t unsent_ = 1;
  std::int64_t lost_ = 0;
};

}  // namespace procctl::fleetsim
