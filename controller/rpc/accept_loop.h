// Accepts connections for gRPC. gRPC 1.51's own listener goes deaf for ever at the first EMFILE,
// and lets a second server bind the same port; this one sheds what it cannot hold, and never stops.
//
// One thread of its own. A connection that does not finish its handshake is closed by gRPC after
// its handshake time; one that is shed is closed at once, so that the peer tries again instead of
// waiting.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>

#include "absl/status/statusor.h"
#include "controller/core/mono_time.h"
#include "proto/support/unique_fd.h"

namespace grpc::experimental {
class ExternalConnectionAcceptor;
}

namespace procctl::controller {

class AcceptLoop {
 public:
  // Binds and listens: from now on the kernel queues connections. `address` is host:port; port 0
  // takes a free one. `descriptor_limit`: this process's RLIMIT_NOFILE.
  static absl::StatusOr<std::unique_ptr<AcceptLoop>> Listen(const std::string& address,
                                                            int descriptor_limit);
  ~AcceptLoop();

  // host:port as bound.
  const std::string& address() const { return address_; }

  // Begins to accept. Once, after the server has started (before that gRPC closes what it is
  // handed).
  void Start(std::unique_ptr<grpc::experimental::ExternalConnectionAcceptor> acceptor);

  // Stops accepting and closes the listener; idempotent.
  void Stop();

  std::int64_t shed() const { return shed_.load(std::memory_order_relaxed); }

 private:
  AcceptLoop(UniqueFd listener, UniqueFd stop, UniqueFd reserve, std::string address,
             int descriptor_limit);
  void Loop();
  // One accept4 and what follows from it. False: nothing waits.
  bool AcceptOne();
  void HandOver(UniqueFd connection);
  void UseReserve();
  void Shed(int count);
  // False: stop was asked for.
  bool WaitFor(bool listener, int timeout_ms);

  UniqueFd listener_;
  UniqueFd stop_;
  UniqueFd reserve_;
  const std::string address_;
  const int descriptor_limit_;
  const int ceiling_;
  std::unique_ptr<grpc::experimental::ExternalConnectionAcceptor> acceptor_;
  std::thread thread_;
  std::atomic<std::int64_t> shed_{0};
  // The loop's thread only.
  std::int64_t shed_unlogged_ = 0;
  MonoTime shed_logged_;
  int failures_ = 0;
};

}  // namespace procctl::controller
