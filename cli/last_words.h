// What a program wrote last comes as an event of its own, a moment after its end.
#pragma once

#include <vector>

#include "procctl/v1/fleet_service.pb.h"

namespace procctl::cli {

// Puts the stderr tail of each PROGRAM_LAST_WORDS into the PROGRAM_ENDED of the same life, where
// that is among `events`, and removes it.
void JoinLastWords(std::vector<v1::StoredEvent>* events);

}  // namespace procctl::cli
