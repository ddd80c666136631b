// The three domain interfaces as one storage engine gives them.
#pragma once

#include "controller/store/commit_log.h"
#include "controller/store/coordinator.h"
#include "controller/store/disk_state.h"
#include "controller/store/history.h"

namespace procctl::controller {

class Engine {
 public:
  virtual ~Engine() = default;
  virtual Coordinator& coordinator() = 0;
  virtual CommitLog& commit_log() = 0;
  virtual History& history() = 0;

  // Any thread, never blocks.
  virtual DiskState disk() const = 0;

  // Commits what waits, calls all callbacks, and refuses whatever comes later. Blocks; idempotent.
  // With a disk that fails, what waits is given up with UNAVAILABLE: the nodes still have it.
  virtual void Stop() = 0;
};

}  // namespace procctl::controller
