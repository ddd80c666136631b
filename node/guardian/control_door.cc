#include "node/guardian/control_door.h"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "node/os/clock.h"
#include "spdlog/spdlog.h"

namespace procctl::node {
namespace {

constexpr size_t kMostRequestBytes = 64 * 1024;
constexpr int kAcceptBatch = 32;
constexpr int kReadBatch = 32;
// Whoever has so much unread is not read from, so asking for lists without reading them ends here.
constexpr size_t kPauseAbove = 256 * 1024;
// Beyond it only events of orders can bring it: several for each of kMostOpen.
constexpr size_t kMostQueuedBytes = 4 * 1024 * 1024;
constexpr Nanos kPatience = std::chrono::seconds(30);
constexpr int64_t kRefusalBurst = 20;
constexpr Nanos kRefusalWindow = std::chrono::seconds(10);

std::string Suppressed(int64_t count) {
  return count == 0 ? "" : fmt::format(" ({} more were not recorded)", count);
}

// To somebody who gets nothing else. Whoever does not read it sees the end of the connection.
void SayWhyNot(const UniqueFd& fd, v1::LocalErrorKind kind, std::string why) {
  v1::LocalReply reply;
  reply.set_last(true);
  reply.mutable_error()->set_kind(kind);
  reply.mutable_error()->set_message(std::move(why));
  (void)Send(fd.get(), reply.SerializeAsString());
}

}  // namespace

ControlDoor::ControlDoor(EventLog* log, Journal* journal, Poller* poller,
                         const std::string& own_name, Desk desk)
    : log_(log),
      journal_(journal),
      poller_(poller),
      desk_(std::move(desk)),
      own_issuer_(fmt::format("local/{}", own_name.empty() ? std::to_string(geteuid()) : own_name)),
      refusals_(kRefusalBurst, kRefusalWindow),
      complaints_(kRefusalBurst, kRefusalWindow) {}

absl::Status ControlDoor::Open(const std::string& path, mode_t mode) {
  auto listener = ListenAt(path, mode);
  if (!listener.ok()) return listener.status();
  listener_ = *std::move(listener);
  return poller_->Add(listener_.get(), EPOLLIN, [this](uint32_t) { Accept(); }).status();
}

void ControlDoor::Accept() {
  // Bounded: a flood of connections must not keep the loop from its scan.
  for (int i = 0; i < kAcceptBatch; ++i) {
    UniqueFd fd(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (fd) {
      Admit(std::move(fd));
      continue;
    }
    if (errno == EMFILE || errno == ENFILE) {
      reserve_.ShedOne(listener_.get());
      spdlog::error("out of file descriptors: a local client was turned away; raise LimitNOFILE");
    }
    return;
  }
}

void ControlDoor::Admit(UniqueFd fd) {
  const auto peer = PeerOf(fd.get());
  if (!peer.ok())
    return SayWhyNot(fd, v1::LOCAL_ERROR_KIND_BUSY, "the kernel does not say who asks");
  const bool own = peer->uid == static_cast<int64_t>(geteuid());
  if (peer->uid != 0 && !own) return Refuse(fd, *peer);
  if (connections_.size() >= kMostConnections) {
    return SayWhyNot(
        fd, v1::LOCAL_ERROR_KIND_BUSY,
        fmt::format("{} others are connected, which is the most; try again", kMostConnections));
  }
  const Client client = ++last_client_;
  auto token =
      poller_->Add(fd.get(), EPOLLIN, [this, client](uint32_t events) { OnReady(client, events); });
  if (!token.ok())
    return SayWhyNot(fd, v1::LOCAL_ERROR_KIND_BUSY,
                     "the guardian cannot watch one more connection");
  Connection& connection = connections_[client];
  connection.fd = std::move(fd);
  connection.token = *token;
  connection.interest = EPOLLIN;
  connection.issuer = peer->uid == 0 ? "local/root" : own_issuer_;
  v1::LocalReply reply;
  *reply.mutable_hello() = desk_.hello();
  reply.mutable_hello()->set_you(connection.issuer);
  reply.set_last(true);
  Reply(client, reply);
}

void ControlDoor::Refuse(const UniqueFd& fd, const Peer& peer) {
  SayWhyNot(fd, v1::LOCAL_ERROR_KIND_NOT_ALLOWED,
            fmt::format("user {} may not control this node: only root and the user it runs as "
                        "(user {}) may",
                        peer.uid, geteuid()));
  int64_t suppressed = 0;
  if (!refusals_.Allow(MonoNow(), &suppressed)) return;
  log_->Record(MakeEvent(
      v1::EVENT_KIND_ACCESS_REFUSED, v1::SEVERITY_WARNING,
      fmt::format("pid {} of user {} tried to control this node through its local socket{}",
                  peer.pid, peer.uid, Suppressed(suppressed))));
}

void ControlDoor::Reply(Client client, const v1::LocalReply& reply) {
  const auto found = connections_.find(client);
  if (found == connections_.end()) return;
  Connection& connection = found->second;
  if (reply.last()) connection.open.erase(reply.request());
  due_.insert(client);
  if (connection.overflowed) return;
  connection.queue.push_back(reply.SerializeAsString());
  connection.queued_bytes += connection.queue.back().size();
  // Closed with the next Pump: whoever calls is perhaps in the middle of its requests.
  if (connection.queued_bytes > kMostQueuedBytes) connection.overflowed = true;
}

void ControlDoor::Pump() {
  if (due_.empty()) return;
  journal_->Commit();
  for (const Client client : std::exchange(due_, {})) {
    const auto found = connections_.find(client);
    if (found == connections_.end()) continue;
    Connection& connection = found->second;
    if (connection.overflowed) {
      spdlog::warn("a local client ({}) has not read {} bytes; cut off", connection.issuer,
                   connection.queued_bytes);
    } else if (connection.waiting_for_room || Flush(connection)) {
      SetInterest(connection);
      continue;
    }
    Close(client);
  }
}

bool ControlDoor::Flush(Connection& connection) {
  while (!connection.queue.empty()) {
    const absl::Status sent = Send(connection.fd.get(), connection.queue.front());
    if (absl::IsUnavailable(sent)) {
      connection.waiting_for_room = true;
      connection.waiting_since = MonoNow();
      return true;
    }
    if (!sent.ok()) {
      if (absl::IsInvalidArgument(sent)) {
        spdlog::error("a reply of {} bytes does not fit the local socket; the client is cut off",
                      connection.queue.front().size());
      }
      return false;
    }
    connection.queued_bytes -= connection.queue.front().size();
    connection.queue.pop_front();
  }
  return true;
}

void ControlDoor::SetInterest(Connection& connection) {
  uint32_t interest = 0;
  if (connection.queued_bytes <= kPauseAbove && connection.open.size() < kMostOpen)
    interest |= EPOLLIN;
  if (connection.waiting_for_room) interest |= EPOLLOUT;
  if (interest == connection.interest) return;
  connection.interest = interest;
  poller_->Change(connection.token, interest);
}

void ControlDoor::OnReady(Client client, uint32_t events) {
  const auto found = connections_.find(client);
  if (found == connections_.end()) return;
  Connection& connection = found->second;
  if ((events & EPOLLOUT) != 0) {
    connection.waiting_for_room = false;
    due_.insert(client);
  }
  if ((events & EPOLLIN) != 0 && (connection.interest & EPOLLIN) != 0) return ReadSome(client);
  // What it still had to ask is not read any more: nobody is there for the replies.
  if ((events & (EPOLLHUP | EPOLLERR)) != 0) Close(client);
}

void ControlDoor::ReadSome(Client client) {
  for (int i = 0; i < kReadBatch; ++i) {
    const Connection& connection = connections_.at(client);
    if (connection.open.size() >= kMostOpen || connection.queued_bytes > kPauseAbove) {
      due_.insert(client);
      return;
    }
    const auto packet = Receive(connection.fd.get(), kMostRequestBytes);
    if (absl::IsUnavailable(packet.status())) return;
    if (!packet.ok()) return Close(client);
    if (!Take(client, *packet)) return;
  }
}

bool ControlDoor::Take(Client client, const Packet& packet) {
  Connection& connection = connections_.at(client);
  v1::LocalRequest request;
  if (packet.truncated) {
    Malformed(client, fmt::format("over {} bytes in one packet", kMostRequestBytes));
    return false;
  }
  if (!request.ParseFromString(packet.bytes)) {
    Malformed(client, fmt::format("{} bytes that are no request", packet.bytes.size()));
    return false;
  }
  if (request.request() <= 0 || !connection.open.insert(request.request()).second) {
    Malformed(client, fmt::format("a request with the number {}, which is {}", request.request(),
                                  request.request() <= 0 ? "none" : "in use"));
    return false;
  }
  // Copied: what is taken may close connections.
  const std::string issuer = connection.issuer;
  desk_.take(client, issuer, request);
  return true;
}

void ControlDoor::Malformed(Client client, const std::string& what) {
  ++malformed_;
  int64_t suppressed = 0;
  if (complaints_.Allow(MonoNow(), &suppressed)) {
    spdlog::error("a local client ({}) sent {}; cut off{}", connections_.at(client).issuer, what,
                  Suppressed(suppressed));
  }
  Close(client);
}

void ControlDoor::DropStuck(MonoTime now) {
  std::vector<Client> stuck;
  for (const auto& [client, connection] : connections_) {
    if (connection.waiting_for_room && now - connection.waiting_since > kPatience)
      stuck.push_back(client);
  }
  for (const Client client : stuck) {
    spdlog::warn("a local client ({}) has not read for {} s; cut off",
                 connections_.at(client).issuer,
                 std::chrono::duration_cast<std::chrono::seconds>(kPatience).count());
    Close(client);
  }
}

void ControlDoor::Close(Client client) {
  const auto found = connections_.find(client);
  poller_->Remove(found->second.token);
  connections_.erase(found);
  desk_.left(client);
}

}  // namespace procctl::node
