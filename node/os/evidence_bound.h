// Evidence travels and is stored with its kill event, so it has one size it never exceeds. Pure.
#pragma once

#include <cstddef>

#include "procctl/v1/evidence.pb.h"

namespace procctl::node {

inline constexpr size_t kMostEvidenceBytes = 32 * 1024;  // serialized

// Makes it fit, whatever is in it. What explains least goes first: kernel stacks, then threads, of
// both the last ones (they are sorted by importance); then what is missing, other hearts, and at
// the end the longest texts. `missing` and the counts of what was left out say so.
void BoundEvidence(v1::Evidence* evidence);

}  // namespace procctl::node
