// Whether this controller still accepts: every so often it connects to its own address, and the
// accept loop must see that connection. The kernel completes a connection that nobody ever accepts,
// so that connecting alone would prove nothing.
//
// Thread-safe; nothing blocks.
#pragma once

#include <sys/socket.h>

#include <chrono>
#include <string>

#include "absl/synchronization/mutex.h"
#include "controller/core/mono_time.h"
#include "proto/support/unique_fd.h"

namespace procctl::controller {

class ListenerProbe {
 public:
  static constexpr std::chrono::seconds kEvery{10};
  static constexpr std::chrono::seconds kWithin{5};

  // `bound`: what the listener is bound to; a wildcard is reached through loopback.
  explicit ListenerProbe(const sockaddr_storage& bound) : bound_(bound) {}

  // Begins a probe when it is time, and judges the one under way. The ticker's thread.
  void Tick(MonoTime now);

  // The accept loop asks of every connection, first of all. True: it is the probe, and has done its
  // work.
  bool Recognize(const sockaddr_storage& peer);

  // The last probe was not accepted within kWithin, and none since.
  bool deaf() const;

 private:
  void Begin(MonoTime now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const sockaddr_storage bound_;
  // Held while connecting, which never waits: the accept loop must not meet a probe that is not
  // written down yet.
  mutable absl::Mutex mutex_;
  UniqueFd probe_ ABSL_GUARDED_BY(mutex_);
  std::string expected_ ABSL_GUARDED_BY(mutex_);
  MonoTime began_ ABSL_GUARDED_BY(mutex_);
  bool begun_ ABSL_GUARDED_BY(mutex_) = false;
  bool deaf_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace procctl::controller
