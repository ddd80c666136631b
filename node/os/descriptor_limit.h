// How many descriptors the guardian may open is not how many its programs may: a program that still
// uses select() or closes every number up to its limit is harmed by a large one.
#pragma once

#include <sys/resource.h>

#include <optional>

namespace procctl::node {

// Raises this process's soft limit to the hard one and keeps what it was. Called once at the start,
// before there are other threads.
void RaiseDescriptorLimit();

// RLIMIT_NOFILE as it was when this process started; nullopt where nobody raised it.
std::optional<rlimit> SavedDescriptorLimit();

}  // namespace procctl::node
