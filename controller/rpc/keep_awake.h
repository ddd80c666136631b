// Keeps gRPC's callback threads from napping: after a second without work each of them sleeps 100
// ms, deaf, and an order would wait for it. A call to ourselves every tick is work enough
// (measured: worst case 69 ms without, 0.9 ms with).
#pragma once

#include <grpcpp/generic/generic_stub.h>

#include <atomic>
#include <chrono>
#include <memory>

#include "absl/synchronization/mutex.h"
#include "controller/core/mono_time.h"

namespace grpc {
class Server;
}

namespace procctl::controller {

class KeepAwake {
 public:
  // `server` must be started, and outlive this.
  explicit KeepAwake(grpc::Server* server);

  // Starts one call and does not wait for it; skips if the last one is still under way. Any thread.
  void Poke();

  // How long the call under way has waited for its answer; zero: none is. A healthy controller
  // answers within milliseconds; so far behind are the callback threads, which hear the nodes. Any
  // thread.
  std::chrono::nanoseconds Unanswered() const;

  // Before the server's Shutdown: gRPC 1.51 crashes on a call over the in-process channel of a
  // server that is going down. From here on Poke does nothing.
  void Stop();

 private:
  struct Call;

  mutable absl::Mutex mutex_;
  // Null after Stop. Calls begin under the lock; gRPC never calls back on the caller's stack.
  std::unique_ptr<grpc::GenericStub> stub_ ABSL_GUARDED_BY(mutex_);
  MonoTime poked_ ABSL_GUARDED_BY(mutex_);
  // Shared with the calls under way, which may end after this.
  std::shared_ptr<std::atomic<bool>> busy_;
};

}  // namespace procctl::controller
