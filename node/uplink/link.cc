#include "node/uplink/link.h"

#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

#include "spdlog/fmt/fmt.h"
#include "spdlog/spdlog.h"

namespace procctl::uplink {

absl::Status CheckLinkSocket(int fd) {
  int type = 0;
  int domain = 0;
  socklen_t size = sizeof(type);
  const bool is_link = getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 &&
                       getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 &&
                       type == SOCK_SEQPACKET && domain == AF_UNIX;
  if (is_link) return absl::OkStatus();
  return absl::FailedPreconditionError(
      fmt::format("descriptor {} is not a link to a guardian", fd));
}

Link::Link(UniqueFd fd) : fd_(std::move(fd)), buffer_(kMaxUpBytes) {}

Link::Received Link::Receive() {
  Received received;
  for (;;) {
    iovec part{buffer_.data(), buffer_.size()};
    msghdr header{};
    header.msg_iov = &part;
    header.msg_iovlen = 1;
    // No room for control data: descriptors that anybody sends are closed by the kernel.
    const ssize_t size = recvmsg(fd_.get(), &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (size < 0) {
      if (errno == EINTR) continue;
      if (errno == EAGAIN) return received;
      if (errno != ECONNRESET) spdlog::error("link: receive: {}", std::strerror(errno));
      received.kind = Received::Kind::kClosed;
      return received;
    }
    // An empty packet cannot be told from the end; an empty LinkUp means nothing, so nobody sends
    // it.
    if (size == 0) {
      received.kind = Received::Kind::kClosed;
      return received;
    }
    const bool whole = (header.msg_flags & MSG_TRUNC) == 0;
    const bool sound =
        whole && received.message.ParseFromArray(buffer_.data(), static_cast<int>(size));
    received.kind = sound ? Received::Kind::kMessage : Received::Kind::kMalformed;
    return received;
  }
}

Link::Sent Link::Send(const v1::LinkDown& message) {
  const std::string packet = message.SerializeAsString();
  if (packet.size() > kMaxDownBytes) {
    spdlog::error("link: message of {} bytes is too large for the guardian (limit {})",
                  packet.size(), kMaxDownBytes);
    return Sent::kFailed;
  }
  for (;;) {
    const ssize_t size = send(fd_.get(), packet.data(), packet.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (size >= 0) return Sent::kYes;
    if (errno == EINTR) continue;
    if (errno == EAGAIN || errno == ENOBUFS) return Sent::kBlocked;
    if (errno != EPIPE && errno != ECONNRESET) {
      spdlog::error("link: send: {}", std::strerror(errno));
    }
    return Sent::kFailed;
  }
}

}  // namespace procctl::uplink
