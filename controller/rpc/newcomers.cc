#include "controller/rpc/newcomers.h"

#include <fcntl.h>
#include <linux/sockios.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <memory>

#include "controller/rpc/peer_key.h"
#include "spdlog/fmt/fmt.h"

namespace procctl::controller {
namespace {

bool Unread(int connection) {
  int bytes = 0;
  return ioctl(connection, SIOCINQ, &bytes) == 0 && bytes > 0;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Newcomers>> Newcomers::Make(const ConnectionLimits& limits) {
  UniqueFd epoll(epoll_create1(EPOLL_CLOEXEC));
  if (!epoll.ok()) {
    return absl::ResourceExhaustedError(fmt::format("epoll_create1: {}", strerror(errno)));
  }
  return std::unique_ptr<Newcomers>(new Newcomers(limits, std::move(epoll)));
}

Newcomers::Answer Newcomers::Admit(int connection, const sockaddr_storage& peer, MonoTime now) {
  const auto key = PeerKeyOf(peer);
  // The listener is of one of the two families: there is no other.
  if (!key.has_value()) return Answer::kWelcome;
  absl::MutexLock lock(&mutex_);
  const auto added = book_.Add(*key, now);
  if (const auto* refusal = std::get_if<NewcomerBook::Refusal>(&added)) {
    return *refusal == NewcomerBook::Refusal::kShunned ? Answer::kShunned
                                                       : Answer::kTooManyOfAddress;
  }
  const NewcomerBook::Id id = std::get<NewcomerBook::Id>(added);
  UniqueFd own(fcntl(connection, F_DUPFD_CLOEXEC, 0));
  epoll_event wanted = {};
  // gRPC shuts a connection down before it closes it (EPOLLHUP); a peer that is through with it
  // shows as EPOLLRDHUP, and gRPC then closes it as well.
  wanted.events = EPOLLRDHUP | EPOLLHUP | EPOLLERR;
  wanted.data.u64 = static_cast<std::uint64_t>(id);
  if (!own.ok() || epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, own.get(), &wanted) != 0) {
    book_.Remove(id);
    return Answer::kNoDescriptor;
  }
  sockets_.emplace(id, std::move(own));
  count_.store(book_.size(), std::memory_order_relaxed);
  return Answer::kWelcome;
}

void Newcomers::Shun(std::string_view peer, MonoTime now) {
  const auto key = PeerKeyOf(peer);
  if (!key.has_value()) return;
  absl::MutexLock lock(&mutex_);
  book_.Shun(key->address, now, now + kShunTime);
}

void Newcomers::Settle(std::string_view peer) {
  const auto key = PeerKeyOf(peer);
  if (!key.has_value()) return;
  absl::MutexLock lock(&mutex_);
  for (const NewcomerBook::Id id : book_.Settle(key->connection)) ForgetSocket(id);
  count_.store(book_.size(), std::memory_order_relaxed);
}

std::optional<MonoTime> Newcomers::NextDeadline() const {
  absl::MutexLock lock(&mutex_);
  return book_.NextDeadline();
}

bool Newcomers::Crowded(MonoTime now) const {
  if (count_.load(std::memory_order_relaxed) < kMostWaiting) return false;
  absl::MutexLock lock(&mutex_);
  const auto newest = book_.NewestSince(now - kPatience, kMostAtOnce);
  if (newest.size() == kMostAtOnce) return true;
  std::size_t waiting = 0;
  for (const NewcomerBook::Id id : newest) {
    const auto socket = sockets_.find(id);
    if (socket != sockets_.end() && Unread(socket->second.get())) ++waiting;
  }
  return waiting >= kMostWaiting;
}

int Newcomers::Tend(MonoTime now) {
  int overdue = 0;
  absl::MutexLock lock(&mutex_);
  std::array<epoll_event, 256> ended = {};
  for (;;) {
    const int count =
        epoll_wait(epoll_.get(), ended.data(), static_cast<int>(ended.size()), /*timeout=*/0);
    for (int i = 0; i < count; ++i) {
      const auto id = static_cast<NewcomerBook::Id>(ended[static_cast<size_t>(i)].data.u64);
      book_.Remove(id);
      ForgetSocket(id);
    }
    if (count < static_cast<int>(ended.size())) break;
  }
  for (const NewcomerBook::Id id : book_.TakeOverdue(now)) {
    const auto socket = sockets_.find(id);
    if (socket == sockets_.end()) continue;
    // gRPC sees the end of the stream and closes its own descriptor.
    (void)shutdown(socket->second.get(), SHUT_RDWR);
    ForgetSocket(id);
    ++overdue;
  }
  count_.store(book_.size(), std::memory_order_relaxed);
  return overdue;
}

void Newcomers::ForgetSocket(NewcomerBook::Id id) {
  const auto socket = sockets_.find(id);
  if (socket == sockets_.end()) return;
  // Closing alone would not take it out of the epoll set: gRPC's descriptor keeps the connection
  // open, and with it the entry.
  (void)epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, socket->second.get(), nullptr);
  sockets_.erase(socket);
}

}  // namespace procctl::controller
