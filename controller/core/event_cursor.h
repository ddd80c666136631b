// Exactly once: events of one (origin, epoch) are numbered 1, 2, 3 ... without gaps, and the cursor
// is the last number that is committed. Whatever arrives is a duplicate, the next one, or behind a
// gap. An EVENTS_LOST record stands for a whole range of numbers, so it is contiguous if its range
// is.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "absl/status/status.h"
#include "procctl/v1/event.pb.h"

namespace procctl::controller {

enum class Arrival { kDuplicate, kNext, kGap };

Arrival JudgeArrival(std::int64_t cursor, const v1::Event& event);

// The link from a guardian carries no more in one packet, so no event of a node is larger; and
// pages of events stay within what a gRPC client takes.
inline constexpr std::size_t kMostEventBytes = 128 * 1024;

// INVALID_ARGUMENT if `event` cannot be one of `origin`: its identity would break the numbering, or
// it is larger than any node's.
absl::Status CheckEventIdentity(const v1::Event& event, std::string_view origin);

}  // namespace procctl::controller
