// The numbers of events: where one stands in its node's history, what it covers, and the record
// that stands for numbers which could not be kept. Pure.
#pragma once

#include <chrono>
#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "procctl/v1/event.pb.h"

namespace procctl::uplink {

// Epochs grow with every start of a guardian, so this order is the order in which things happened.
struct EventPosition {
  std::int64_t epoch = 0;
  std::int64_t seq = 0;
  auto operator<=>(const EventPosition&) const = default;
};

EventPosition PositionOf(const v1::Event& event);

// The first number that `event` covers: its own, or for EVENTS_LOST the first of the lost ones. A
// record whose numbers make no sense covers only its own.
std::int64_t FirstSeq(const v1::Event& event);

// Of a record that covers [first_seq, seq]: makes it cover only what begins at `first` (a part of
// it is known elsewhere already). No change for other events, or if `first` is not inside.
void NarrowLost(std::int64_t first, v1::Event* event);

// What every record that the uplink itself makes has in common.
struct RecordOrigin {
  std::string node_id;
  std::string boot_id;
};

// EVENTS_LOST for first..last (both included) of `epoch`; `why` completes "events 3 to 9 of epoch 4
// are lost: ...".
v1::Event MakeLost(const RecordOrigin& origin, std::int64_t epoch, std::int64_t first,
                   std::int64_t last, std::string_view why,
                   std::chrono::system_clock::time_point at);

}  // namespace procctl::uplink
