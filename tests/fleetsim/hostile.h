// What a hostile node with a valid certificate sends: one trick a session, each of its own kind.
// Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "tests/fleetsim/node_messages.h"

namespace procctl::fleetsim {

enum class Trick {
  kRandomBytes,   // no message at all
  kNestedGroups,  // well-formed wire format, deep
  kBadRows,  // without label, without generation, twice the same, states out of range, names of 60
             // KB
  kWrongRevision,  // deltas from nowhere
  kEventGap,       // numbers left out
  kForeignEvents,  // in another node's name
  kBadLost,        // EVENTS_LOST that ends before it begins
  kOversize,       // more than a message may have
  kSecondHello,
  kForeignHello,   // Hello of another node
  kFlood,          // thousands of heartbeats and unfinished snapshots at once
  kReconnectLoop,  // is gone right after its Hello
  kStall,          // says nothing at all
  kCount,
};

std::string_view TrickName(Trick trick);

// Messages as bytes, to be sent one after the other. `before_hello`: they take the place of Hello;
// else they follow the Welcome. Where the list is empty the trick is in what is left out.
struct HostilePlan {
  bool before_hello = false;
  std::vector<std::string> messages;
  // The whole list so many times.
  int times = 1;
};

HostilePlan MakePlan(Trick trick, const NodeName& name, std::int64_t epoch, std::uint64_t seed);

}  // namespace procctl::fleetsim
