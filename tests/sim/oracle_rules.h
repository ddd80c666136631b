// The numbers that the documents promise, as the oracle holds the guardian to them.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

#include "procctl/v1/event.pb.h"
#include "tests/sim/host.h"

namespace procctl::sim {

inline constexpr int64_t kCreditedAtMost = 2;
inline constexpr int64_t kStall = 5;
inline constexpr int kCalm = 5;
inline constexpr Nanos kSuspendNoise = std::chrono::milliseconds(20);
inline constexpr Nanos kUnclaimed = std::chrono::seconds(5);
inline constexpr Nanos kEvidence = std::chrono::milliseconds(200);
inline constexpr Nanos kRecheck = std::chrono::milliseconds(1100);
inline constexpr Nanos kPatience = std::chrono::seconds(10);
inline constexpr Nanos kRetry = std::chrono::seconds(60);
inline constexpr int kLeastTogether = 3;
inline constexpr Nanos kWindow = std::chrono::seconds(10);
// Records that one turn may add for each slot, and for the rest.
inline constexpr size_t kPutsPerSlot = 16;
inline constexpr size_t kPutsPerTurn = 64;

inline constexpr uint32_t Bit(v1::HeldBy by) { return 1U << static_cast<unsigned>(by); }

inline constexpr uint32_t kBrakes = Bit(v1::HELD_BY_BUCKET) | Bit(v1::HELD_BY_COMMON_CAUSE);

}  // namespace procctl::sim
