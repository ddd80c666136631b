// Resume tokens of watches: where one goes on, as an opaque text that is tied to its kind and
// filter. Those of slots mean something to one feed of one life of a controller; those of events
// are positions in its log, and last as long as that does.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace procctl::controller {

struct SlotsToken {
  std::string life;
  std::int64_t feed = 0;
  std::int64_t sequence = 0;
};

std::string MakeSlotsToken(std::uint64_t filter, const SlotsToken& token);
std::string MakeEventsToken(std::uint64_t filter, std::int64_t position);

// INVALID_ARGUMENT if it is none, or belongs to another kind or filter.
absl::StatusOr<SlotsToken> ReadSlotsToken(std::string_view text, std::uint64_t filter);
absl::StatusOr<std::int64_t> ReadEventsToken(std::string_view text, std::uint64_t filter);

}  // namespace procctl::controller
