// Numbers of a node's events that nobody has any more: what a controller records in their place, so
// that every number of a node is either an event or in a record that says it is not. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "controller/core/mono_time.h"
#include "procctl/v1/event.pb.h"

namespace procctl::controller {

// Numbers first to last, both included, of the node's `epoch`.
struct EventGap {
  std::string node;
  std::int64_t epoch = 0;
  std::int64_t first = 0;
  std::int64_t last = 0;
  bool operator==(const EventGap&) const = default;
};

// The record of it, without identity: kind GAP, severity ALARM; node and lost say whose and which.
v1::Event MakeGap(const EventGap& gap, WallTime at);

// The other way; empty for whatever is no such record.
std::optional<EventGap> GapOf(const v1::Event& event);

}  // namespace procctl::controller
