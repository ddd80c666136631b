// What a row amounts to in NodeHeartbeat.digest. Part of the protocol: a node and its controller,
// of whatever versions, come to the same number for the same row, or the controller asks for rows
// that it holds already.
//
// FNV-1a, 64 bits (offset basis 14695981039346656037, prime 1099511628211), over these bytes:
// every text as its length (8 bytes) and then its bytes, every number as 8 bytes, two's
// complement; least significant byte first.
//
//   slot:    1, label, incarnation.generation, incarnation.pid, incarnation.start_ticks, state,
//            observe (0 or 1), hold (0: none, 1), hold.owner (empty without one)
//   program: 2, label, state, incarnation.generation (0 without one)
//
// The digest of all rows is the sum of theirs modulo 2^64, so that a row is taken out by
// subtraction and the order does not matter. What changes without a report of its own (silence), or
// only says more (note, phase), is not in it. Finds what was lost or mixed up; it is no protection
// against forgery.
//
// Pure, thread-safe.
#pragma once

#include <cstdint>

#include "procctl/v1/program.pb.h"
#include "procctl/v1/slot.pb.h"

namespace procctl {

std::uint64_t RowDigest(const v1::Slot& slot);
std::uint64_t RowDigest(const v1::Program& program);

}  // namespace procctl
