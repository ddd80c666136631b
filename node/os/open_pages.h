// Heartbeat pages found again in the processes that have them: how a guardian gets back what the
// one before it had mapped, where no service manager keeps the descriptors.
#pragma once

#include <cstdint>
#include <map>
#include <set>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "node/os/beat_page.h"
#include "node/os/unique_fd.h"

namespace procctl::node {

enum class PageSearch {
  // /proc/<pid>/fd alone: does not wait for the process, whatever it is stuck in. Needs the right
  // to
  // trace it (the same user and dumpable, or CAP_SYS_PTRACE).
  kDescriptors,
  // Also, for what is not found there, /proc/<pid>/map_files: pages that were mapped and whose
  // descriptor was closed. Needs CAP_CHECKPOINT_RESTORE (before Linux 5.9: CAP_SYS_ADMIN) too.
  // Takes the process's memory lock, so it may block for as long as the process is stuck: never on
  // the enforcement thread.
  kDescriptorsAndMaps,
};

// Descriptors (read-only, close-on-exec) of those of the `wanted` pages that the process has, in
// one pass. At most 65,536 entries of each folder are looked at.
//
// The pid may be somebody else's by now: that costs nothing but the search, because a page is known
// by its identity. Nothing in the process is opened but a file of that identity, so no descriptor
// it holds (a device, a FIFO, a file system that never answers) can do us harm. What
// BeatPage::Reopen checks is not checked here.
//
// `*incomplete`, where given: OK if all there was has been looked through; NOT_FOUND there is no
// such process; PERMISSION_DENIED a right named above is missing; RESOURCE_EXHAUSTED out of
// descriptors; OUT_OF_RANGE more entries than are looked at.
std::map<PageId, UniqueFd> FindPages(int32_t pid, std::set<PageId> wanted,
                                     PageSearch where = PageSearch::kDescriptorsAndMaps,
                                     absl::Status* incomplete = nullptr);

// One page. NOT_FOUND: the process has it not, or is gone; otherwise as `incomplete`.
absl::StatusOr<UniqueFd> FindPage(int32_t pid, PageId id,
                                  PageSearch where = PageSearch::kDescriptorsAndMaps);

}  // namespace procctl::node
