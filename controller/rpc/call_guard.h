// Cuts connections that begin calls and reset them at once ("rapid reset", CVE-2023-44487, not
// mended in gRPC 1.51). HTTP/2's limit of streams counts what is open; a stream that was reset is
// not, but its call still waits to be worked off, 15 KB each, and whoever comes later waits behind
// it. An honest caller never has more calls unfinished here than it may have streams open, save for
// some that it has cancelled; so who has four times as many is cut, connection and all, and nobody
// of its address is let in for some seconds: a connection begins a thousand calls within
// milliseconds, so cutting it alone would not be felt.
//
// Sees every call of every service. Thread-safe.
#pragma once

#include <grpcpp/support/server_interceptor.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/synchronization/mutex.h"
#include "controller/core/mono_time.h"

namespace procctl::controller {

class CallGuard {
 public:
  // Four times the streams that a connection may have open (server_arguments.cc).
  static constexpr int kMostUnfinished = 512;
  // A connection that is cut still has calls that begin, for so long at most: it is cut once.
  static constexpr std::chrono::seconds kAfterglow{10};

  // `on_cut` is told ServerContext::peer() of each connection that is cut, before that. Any thread.
  explicit CallGuard(std::function<void(const std::string& peer)> on_cut)
      : on_cut_(std::move(on_cut)) {}

  // Counted from here to Ended. True: these are too many, and the connection is to be cut.
  bool Begun(const std::string& peer);
  void Ended(const std::string& peer);

  // Cuts the connection with this peer (ServerContext::peer()).
  void Cut(const std::string& peer, MonoTime now);

  std::int64_t cut() const { return cut_.load(std::memory_order_relaxed); }

 private:
  const std::function<void(const std::string& peer)> on_cut_;
  absl::Mutex mutex_;
  // Unfinished calls; only of those with any.
  absl::flat_hash_map<std::string, int> connections_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_map<std::string, MonoTime> lately_cut_ ABSL_GUARDED_BY(mutex_);
  std::atomic<std::int64_t> cut_{0};
};

// What a server is built with; `guard` outlives the server.
std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface> MakeCallGuard(
    std::shared_ptr<CallGuard> guard);

// Shuts down this process's connection with `peer` (ServerContext::peer()), whoever holds it.
// False: there is none. Looks at every descriptor: for rare occasions.
bool CutConnection(const std::string& peer);

}  // namespace procctl::controller
