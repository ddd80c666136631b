// Cuts connections that begin calls and reset them at once ("rapid reset", CVE-2023-44487, not
// mended in gRPC 1.51). HTTP/2's limit of streams counts what is open; a stream that was reset is
// not, but its call still waits to be worked off, 15 KB each, and whoever comes later waits behind
// it. An honest caller never has more calls unfinished here than it may have streams open, save for
// some that it has cancelled; so who has four times as many is cut, connection and all.
//
// Sees every call of every service. Thread-safe.
#pragma once

#include <grpcpp/support/server_interceptor.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/synchronization/mutex.h"

namespace procctl::controller {

class CallGuard {
 public:
  // Four times the streams that a connection may have open (server_arguments.cc).
  static constexpr int kMostUnfinished = 512;

  // Counted from here to Ended. True: this is the call too many, once per connection.
  bool Begun(const std::string& peer);
  void Ended(const std::string& peer);

  std::int64_t cut() const { return cut_.load(std::memory_order_relaxed); }

 private:
  struct Connection {
    int unfinished = 0;
    bool is_cut = false;
  };
  absl::Mutex mutex_;
  // Only those with calls.
  absl::flat_hash_map<std::string, Connection> connections_ ABSL_GUARDED_BY(mutex_);
  std::atomic<std::int64_t> cut_{0};
};

// What a server is built with; `guard` outlives the server.
std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface> MakeCallGuard(
    std::shared_ptr<CallGuard> guard);

// Shuts down this process's connection with `peer` (ServerContext::peer()), whoever holds it.
// False: there is none. Looks at every descriptor: for rare occasions.
bool CutConnection(const std::string& peer);

}  // namespace procctl::controller
