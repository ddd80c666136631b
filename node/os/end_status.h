// How a process ended, from whoever the kernel tells it to: its parent, and since 6.15 everybody
// who holds its pidfd.
#pragma once

#include <cstdint>
#include <optional>
#include <set>

#include "node/core/mono_time.h"
#include "node/os/process_ref.h"

namespace procctl::node {

struct EndStatus {
  // False: it has not ended, or nobody tells us how.
  bool known = false;
  // With !known: it has ended but its parent, who is not us, has not reaped it. Ask again when the
  // pidfd hangs up (EPOLLHUP).
  bool may_follow = false;
  int exit_code = 0;
  // 0: it exited by itself.
  int signal = 0;
  bool core_dumped = false;
  // Of it and of those children that it waited for. Only for our own children.
  std::optional<Nanos> cpu;
  // The most bytes resident of any of them.
  std::optional<int64_t> max_resident;
};

// `status` as wait() gives it.
EndStatus EndFromWaitStatus(int status);

// Reaps a child of ours that has ended, and for everybody else asks ReadForeignEnd. Never waits.
EndStatus ReapOwnChild(const ProcessRef& process);

// Of a process that is not our child: one that a guardian before us started. Never `known` where
// the kernel is older than 6.15.
EndStatus ReadForeignEnd(const ProcessRef& process);

// Reaps those children of ours that have ended and that nobody knows: programs leave us their
// orphans, because we are a subreaper. `known` are all pids that somebody else here will reap,
// the uplink's among them; they are not touched. Returns how many were reaped.
int ReapStrangers(const std::set<int32_t>& known);

}  // namespace procctl::node
