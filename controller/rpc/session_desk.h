// What sessions share at their beginning: who of two lives of a node is the real one, and whose
// snapshot comes when. Thread-safe, never blocks.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "controller/core/clone_watch.h"
#include "controller/core/snapshot_pacer.h"
#include "controller/rpc/fleet.h"
#include "controller/store/engine.h"
#include "procctl/v1/node_service.pb.h"

namespace procctl::controller {

class SessionDesk {
 public:
  // Both outlive this.
  SessionDesk(Fleet* fleet, Engine* engine) : fleet_(fleet), engine_(engine) {}

  // PERMISSION_DENIED for a second host with the node's certificate while the other is connected.
  absl::Status CheckLife(const std::string& node, const v1::Hello& hello, const std::string& peer);

  // Whose database this is, how fast to come back, and when the snapshot may come.
  void FillWelcome(const std::string& node, bool can_wait, v1::Welcome* welcome);

  void SnapshotReceived(const std::string& node, std::int64_t session_epoch);
  void SessionOver(const std::string& node, std::int64_t session_epoch);

 private:
  Fleet* const fleet_;
  Engine* const engine_;
  absl::Mutex mutex_;
  CloneWatch clones_ ABSL_GUARDED_BY(mutex_);
  SnapshotPacer pacer_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace procctl::controller
