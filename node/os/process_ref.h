// A process that stays the same process: pid, pidfd and start time held together.
#pragma once

#include <sys/types.h>

#include "absl/status/statusor.h"
#include "node/core/may_signal.h"
#include "node/core/process_identity.h"
#include "node/core/seams.h"
#include "node/os/unique_fd.h"

namespace procctl::node {

class ProcessRef final : public Target {
 public:
  // Binds the process that has this pid now. NOT_FOUND: there is none, or it has ended; that is
  // proven. RESOURCE_EXHAUSTED: it cannot be told, as when out of descriptors or memory.
  static absl::StatusOr<ProcessRef> Open(int32_t pid);
  // Binds the process behind a pidfd (SO_PEERPIDFD), whose pid is `pid`.
  static absl::StatusOr<ProcessRef> FromPidfd(UniqueFd pidfd, int32_t pid);

  // Binds a child of ours that was not waited for: its pid cannot be somebody else's, so it may
  // have ended.
  static absl::StatusOr<ProcessRef> OwnChild(int32_t pid);

  // Another handle to the same process, also when it has ended. RESOURCE_EXHAUSTED when out of
  // descriptors.
  absl::StatusOr<ProcessRef> Duplicate() const;

  const ProcessIdentity& identity() const override { return identity_; }
  // Readable once the process has ended.
  int pidfd() const { return pidfd_.get(); }
  bool Alive() const;

  // What the kernel says of it now, for MaySignal.
  TargetFacts Facts() const override;

  // By pidfd: never reaches anybody else.
  Outcome Signal(int signal) override;
  int exit_fd() const override { return pidfd_.get(); }

 private:
  ProcessRef(ProcessIdentity identity, UniqueFd pidfd)
      : identity_(identity), pidfd_(std::move(pidfd)) {}

  ProcessIdentity identity_;
  UniqueFd pidfd_;
};

}  // namespace procctl::node
