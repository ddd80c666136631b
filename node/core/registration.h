// Decides whether a process that asks for a slot gets one.
#pragma once

#include <cstdint>
#include <string>

#include "node/core/heart_terms.h"
#include "node/core/mono_time.h"
#include "node/heartbeat/register_frame.h"

namespace procctl::node {

struct RegistrationLimits {
  Nanos min_timeout = std::chrono::milliseconds(500);
  Nanos max_timeout = std::chrono::hours(24);
  Nanos max_start_grace = std::chrono::minutes(10);
  int64_t max_slots = 16384;
  int64_t max_slots_per_user = 4096;
  // Of the guardian; anybody but root takes only its own user's processes.
  int64_t guardian_uid = 0;
};

// What the kernel says of the peer, and how full the table is.
struct RegistrationFacts {
  // 0 where the peer is in a pid namespace that the guardian cannot see.
  int32_t pid = 0;
  int64_t uid = -1;
  int64_t slots = 0;
  int64_t slots_of_user = 0;
  // The same process holds a slot of this name already and takes it over: no quota applies.
  bool takes_over = false;
};

struct RegistrationAnswer {
  // 0, or the errno value that procctl_open documents.
  int error = 0;
  // Why refused: printable ASCII.
  std::string text;
  // Escaped; set if accepted.
  std::string name;
  HeartTerms terms;
};

// Reads a request of `size` bytes, short or long, as it came from the socket. Shape only: magic,
// version, name, limits.
RegistrationAnswer ReadRequest(const void* bytes, size_t size, const RegistrationLimits& limits);

// The rest: who asks, and the quotas. Returns `parsed`, refused where need be.
RegistrationAnswer Admit(RegistrationAnswer parsed, const RegistrationFacts& facts,
                         const RegistrationLimits& limits);

}  // namespace procctl::node
