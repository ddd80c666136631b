// Accepts connections for gRPC. gRPC 1.51's own listener goes deaf for ever at the first EMFILE,
// and lets a second server bind the same port; this one sheds what it cannot hold, and never stops.
//
// One thread of its own. A connection that has begun no call within the handshake time is closed;
// one that is shed is closed at once, so that the peer tries again instead of waiting.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>

#include "absl/status/statusor.h"
#include "controller/core/connection_limits.h"
#include "controller/core/mono_time.h"
#include "controller/core/shed_log.h"
#include "controller/rpc/listener_probe.h"
#include "controller/rpc/newcomers.h"
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
                                                            int descriptor_limit,
                                                            const ConnectionLimits& limits);
  ~AcceptLoop();

  // host:port as bound.
  const std::string& address() const { return address_; }

  // Begins to accept. Once, after the server has started (before that gRPC closes what it is
  // handed).
  void Start(std::unique_ptr<grpc::experimental::ExternalConnectionAcceptor> acceptor);

  // Stops accepting and closes the listener; idempotent.
  void Stop();

  // Told of each first call; thread-safe, and there as long as this is.
  Newcomers& newcomers() { return *newcomers_; }
  // To be ticked; thread-safe, as above.
  ListenerProbe& probe() { return probe_; }

  // Connections closed unserved since the start.
  std::int64_t shed(ShedReason reason) const {
    return shed_[static_cast<std::size_t>(reason)].load(std::memory_order_relaxed);
  }

 private:
  struct Parts {
    UniqueFd listener;
    UniqueFd stop;
    UniqueFd reserve;
    std::unique_ptr<Newcomers> newcomers;
    sockaddr_storage bound = {};
    std::string address;
  };
  AcceptLoop(Parts parts, int descriptor_limit, const ConnectionLimits& limits);
  void Loop();
  // One accept4 and what follows from it. False: nothing waits.
  bool AcceptOne();
  void TakeIn(UniqueFd connection, const sockaddr_storage& peer);
  void HandOver(UniqueFd connection);
  void UseReserve();
  void Shed(ShedReason reason, int count, const sockaddr_storage* peer);
  void TellShed();
  // Until something has to be done although nobody calls; -1: nothing.
  int Patience() const;
  // False: stop was asked for.
  bool WaitFor(bool listener, int timeout_ms);

  UniqueFd listener_;
  UniqueFd stop_;
  UniqueFd reserve_;
  const std::string address_;
  const int descriptor_limit_;
  const int ceiling_;
  const ConnectionLimits limits_;
  const std::unique_ptr<Newcomers> newcomers_;
  ListenerProbe probe_;
  std::unique_ptr<grpc::experimental::ExternalConnectionAcceptor> acceptor_;
  std::thread thread_;
  std::array<std::atomic<std::int64_t>, kShedReasons.size()> shed_ = {};
  // The loop's thread only.
  ShedLog shed_log_;
  int failures_ = 0;
};

}  // namespace procctl::controller
