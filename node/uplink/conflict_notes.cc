#include "node/uplink/conflict_notes.h"

#include <algorithm>

namespace procctl::uplink {

bool ConflictNotes::Tell(const std::string& message, BootTime now) {
  std::erase_if(told_, [&](const auto& note) { return now - note.second >= kAgain; });
  // More different ones within an hour are a story of their own, which those told before tell.
  if (told_.contains(message) || told_.size() >= kMost) return false;
  told_[message] = now;
  return true;
}

}  // namespace procctl::uplink
