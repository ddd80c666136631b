#include "controller/rpc/listener_probe.h"

#include <netinet/in.h>

#include <cerrno>

#include "controller/rpc/peer_key.h"

namespace procctl::controller {
namespace {

socklen_t SizeOf(const sockaddr_storage& address) {
  return address.ss_family == AF_INET6 ? sizeof(sockaddr_in6) : sizeof(sockaddr_in);
}

}  // namespace

void ListenerProbe::Tick(MonoTime now) {
  absl::MutexLock lock(&mutex_);
  if (probe_.ok() && now - began_ > kWithin) {
    deaf_ = true;
    probe_.Reset();
    expected_.clear();
  }
  if (!probe_.ok() && (!begun_ || now - began_ >= kEvery)) Begin(now);
}

void ListenerProbe::Begin(MonoTime now) {
  began_ = now;
  begun_ = true;
  UniqueFd probe(socket(bound_.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  // Without a descriptor nothing is learnt; that they run short is told by who counts them.
  if (!probe.ok()) return;
  const auto* const to = reinterpret_cast<const sockaddr*>(&bound_);
  if (connect(probe.get(), to, SizeOf(bound_)) != 0 && errno != EINPROGRESS) {
    // Nobody listens, or the backlog refuses.
    deaf_ = errno == ECONNREFUSED || deaf_;
    return;
  }
  sockaddr_storage own = {};
  socklen_t size = sizeof(own);
  if (getsockname(probe.get(), reinterpret_cast<sockaddr*>(&own), &size) != 0) return;
  const auto key = PeerKeyOf(own);
  if (!key.has_value()) return;
  expected_ = key->connection;
  probe_ = std::move(probe);
}

bool ListenerProbe::Recognize(const sockaddr_storage& peer) {
  const auto key = PeerKeyOf(peer);
  if (!key.has_value()) return false;
  absl::MutexLock lock(&mutex_);
  if (!probe_.ok() || key->connection != expected_) return false;
  probe_.Reset();
  expected_.clear();
  deaf_ = false;
  return true;
}

bool ListenerProbe::deaf() const {
  absl::MutexLock lock(&mutex_);
  return deaf_;
}

}  // namespace procctl::controller
