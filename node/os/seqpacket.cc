#include "node/os/seqpacket.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "spdlog/fmt/fmt.h"

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77  // linux/socket.h from 6.5 on
#endif

namespace procctl::node {
namespace {

constexpr int kBacklog = 4096;
// Room for more than anybody should send: what does not fit is dropped by the kernel and flagged.
constexpr size_t kControlBytes = CMSG_SPACE(sizeof(int) * 16) + CMSG_SPACE(sizeof(ucred));

absl::Status Failed(std::string_view what) {
  return absl::InternalError(fmt::format("{}: {}", what, std::strerror(errno)));
}

}  // namespace

absl::StatusOr<UniqueFd> ListenAt(const std::string& path, mode_t mode) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) {
    return absl::InvalidArgumentError(
        fmt::format("socket path {} is over {} bytes; choose a shorter runtime_dir", path,
                    sizeof address.sun_path - 1));
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  UniqueFd fd(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return Failed("socket");
  // Every packet then carries its sender: accepted sockets inherit this.
  const int on = 1;
  if (setsockopt(fd.get(), SOL_SOCKET, SO_PASSCRED, &on, sizeof on) != 0)
    return Failed("SO_PASSCRED");
  (void)unlink(path.c_str());  // absent is fine; anything else shows at bind
  // Nobody may connect between bind and chmod with a mode that is not the one asked for.
  const mode_t before = umask(0777);
  const int bound = bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address);
  const int bind_error = errno;
  umask(before);
  errno = bind_error;
  if (bound != 0) return Failed(fmt::format("bind {}", path));
  if (listen(fd.get(), kBacklog) != 0) return Failed("listen");
  if (chmod(path.c_str(), mode) != 0) return Failed(fmt::format("chmod {}", path));
  return fd;
}

absl::StatusOr<Peer> PeerOf(int connection) {
  Peer peer;
  ucred credentials{};
  socklen_t size = sizeof credentials;
  if (getsockopt(connection, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0)
    return Failed("SO_PEERCRED");
  peer.pid = credentials.pid;
  peer.uid = credentials.uid;
  int pidfd = -1;
  size = sizeof pidfd;
  if (getsockopt(connection, SOL_SOCKET, SO_PEERPIDFD, &pidfd, &size) == 0)
    peer.pidfd = UniqueFd(pidfd);
  return peer;
}

absl::StatusOr<Packet> Receive(int connection, size_t most) {
  Packet packet;
  packet.bytes.resize(most);
  iovec io{packet.bytes.data(), packet.bytes.size()};
  alignas(cmsghdr) char control[kControlBytes];
  msghdr message{};
  message.msg_iov = &io;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  ssize_t n = 0;
  do {
    n = recvmsg(connection, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  } while (n < 0 && errno == EINTR);
  if (n < 0) {
    if (errno == EAGAIN || errno == EWOULDBLOCK) return absl::UnavailableError("no packet");
    return absl::NotFoundError(std::strerror(errno));
  }
  for (cmsghdr* c = CMSG_FIRSTHDR(&message); c != nullptr; c = CMSG_NXTHDR(&message, c)) {
    if (c->cmsg_level != SOL_SOCKET) continue;
    if (c->cmsg_type == SCM_RIGHTS) {
      const size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
      for (size_t i = 0; i < count; ++i) {
        int fd = -1;
        std::memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof fd);
        UniqueFd(fd).reset();
      }
    } else if (c->cmsg_type == SCM_CREDENTIALS) {
      ucred credentials{};
      std::memcpy(&credentials, CMSG_DATA(c), sizeof credentials);
      packet.sender = credentials.pid;
    }
  }
  if (n == 0) return absl::NotFoundError("the peer closed");
  packet.truncated = (message.msg_flags & MSG_TRUNC) != 0;
  packet.bytes.resize(static_cast<size_t>(n));
  return packet;
}

absl::Status Send(int connection, std::string_view bytes, int fd) {
  iovec io{const_cast<char*>(bytes.data()), bytes.size()};
  msghdr message{};
  message.msg_iov = &io;
  message.msg_iovlen = 1;
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  if (fd >= 0) {
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    cmsghdr* c = CMSG_FIRSTHDR(&message);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof fd);
    std::memcpy(CMSG_DATA(c), &fd, sizeof fd);
  }
  ssize_t n = 0;
  do {
    n = sendmsg(connection, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
  } while (n < 0 && errno == EINTR);
  if (n >= 0) return absl::OkStatus();
  if (errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS)
    return absl::UnavailableError("would block");
  if (errno == EMSGSIZE)
    return absl::InvalidArgumentError(fmt::format("{} bytes are too many", bytes.size()));
  return absl::NotFoundError(std::strerror(errno));
}

absl::StatusOr<SocketPair> MakeSocketPair() {
  int fds[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) != 0)
    return Failed("socketpair");
  SocketPair pair{UniqueFd(fds[0]), UniqueFd(fds[1])};
  // Enough for the largest message of the link with the kernel's own overhead.
  const int bytes = 1 << 19;
  for (const int fd : fds) {
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes,
                     sizeof bytes);  // a smaller buffer is only slower
  }
  return pair;
}

}  // namespace procctl::node
