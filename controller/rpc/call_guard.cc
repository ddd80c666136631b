#include "controller/rpc/call_guard.h"

#include <fcntl.h>
#include <grpcpp/server_context.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <utility>

#include "controller/rpc/clocks.h"
#include "controller/rpc/peer_key.h"
#include "controller/rpc/process_gauges.h"
#include "proto/support/escape.h"
#include "proto/support/unique_fd.h"
#include "spdlog/spdlog.h"

namespace procctl::controller {
namespace {

// One call, from its beginning until gRPC lets go of it.
class CountedCall final : public grpc::experimental::Interceptor {
 public:
  CountedCall(std::shared_ptr<CallGuard> guard, std::string peer)
      : guard_(std::move(guard)), peer_(std::move(peer)) {
    if (guard_->Begun(peer_)) guard_->Cut(peer_, MonoNow());
  }
  ~CountedCall() override { guard_->Ended(peer_); }
  void Intercept(grpc::experimental::InterceptorBatchMethods* methods) override {
    methods->Proceed();
  }

 private:
  const std::shared_ptr<CallGuard> guard_;
  const std::string peer_;
};

class Factory final : public grpc::experimental::ServerInterceptorFactoryInterface {
 public:
  explicit Factory(std::shared_ptr<CallGuard> guard) : guard_(std::move(guard)) {}
  grpc::experimental::Interceptor* CreateServerInterceptor(
      grpc::experimental::ServerRpcInfo* info) override {
    return new CountedCall(guard_, info->server_context()->peer());
  }

 private:
  const std::shared_ptr<CallGuard> guard_;
};

bool IsWith(int fd, const std::string& connection) {
  sockaddr_storage peer = {};
  socklen_t size = sizeof(peer);
  if (getpeername(fd, reinterpret_cast<sockaddr*>(&peer), &size) != 0) return false;
  const auto key = PeerKeyOf(peer);
  return key.has_value() && key->connection == connection;
}

}  // namespace

bool CallGuard::Begun(const std::string& peer) {
  absl::MutexLock lock(&mutex_);
  return ++connections_[peer] > kMostUnfinished;
}

void CallGuard::Ended(const std::string& peer) {
  absl::MutexLock lock(&mutex_);
  const auto connection = connections_.find(peer);
  if (--connection->second == 0) connections_.erase(connection);
}

void CallGuard::Cut(const std::string& peer, MonoTime now) {
  {
    absl::MutexLock lock(&mutex_);
    absl::erase_if(lately_cut_, [&](const auto& entry) { return now - entry.second > kAfterglow; });
    if (!lately_cut_.emplace(peer, now).second) return;
  }
  cut_.fetch_add(1, std::memory_order_relaxed);
  on_cut_(peer);
  const bool found = CutConnection(peer);
  spdlog::warn("{} began over {} calls without letting one end; {}", Escape(peer), kMostUnfinished,
               found ? "its connection is cut" : "it is gone");
}

std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface> MakeCallGuard(
    std::shared_ptr<CallGuard> guard) {
  return std::make_unique<Factory>(std::move(guard));
}

bool CutConnection(const std::string& peer) {
  const auto key = PeerKeyOf(peer);
  rlimit limit = {};
  if (!key.has_value() || getrlimit(RLIMIT_NOFILE, &limit) != 0) return false;
  std::int64_t left = OpenDescriptors().value_or(static_cast<std::int64_t>(limit.rlim_cur));
  for (int fd = 0; left > 0 && fd < static_cast<int>(limit.rlim_cur); ++fd) {
    if (fcntl(fd, F_GETFD) < 0) continue;
    --left;
    if (!IsWith(fd, key->connection)) continue;
    // The number may be another file's by now; a copy cannot change any more, so it is looked at
    // again.
    const UniqueFd copy(fcntl(fd, F_DUPFD_CLOEXEC, 0));
    if (!copy.ok() || !IsWith(copy.get(), key->connection)) continue;
    return shutdown(copy.get(), SHUT_RDWR) == 0;
  }
  return false;
}

}  // namespace procctl::controller
