// Reads what /proc tells of one process and its host right now: the kernel's half of v1.Evidence.
//
// Any thread but the guardian's loop: the kernel lets a reader of these files wait for as long as
// the process holds a lock of its own (in the middle of an exec, say), and no deadline ends that.
#pragma once

#include <functional>

#include "node/core/mono_time.h"
#include "node/core/process_identity.h"
#include "procctl/v1/evidence.pb.h"

namespace procctl::node {

inline constexpr int kMostEvidenceThreads = 32;
inline constexpr int kMostStackFrames = 16;

// Gets a copy of what was read so far, on the reading thread, each time there is more that explains
// something: so that a reader that gets stuck leaves behind what it had. Whoever uses such a part
// checks first that the process is still the one meant, because that check comes last.
using EvidenceSoFar = std::function<void(const v1::Evidence&)>;

// Reads the most important first: the process, its threads (the leader, then those in state D, then
// running ones), memory, tracer, cgroup, descriptors, at last the host. The deadline is checked
// between files: past it nothing more is opened, timed_out is set and `missing` names the rest.
// All text is escaped. Fields that only the guardian knows (hearts, its lag, took) stay unset.
//
// The start time is compared before and after. If the pid was not that process all the time, the
// evidence holds nothing but `missing` with "process: it has ended". A zombie is still the process.
v1::Evidence ReadEvidence(const ProcessIdentity& process, MonoTime deadline,
                          const EvidenceSoFar& so_far = nullptr);

}  // namespace procctl::node
