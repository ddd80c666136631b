#include "node/logger/journal_socket.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "spdlog/fmt/fmt.h"

namespace procctl::logger {

int JournalSocket::TrySend(std::string_view entry, int fd) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path_.size() >= sizeof address.sun_path) return ENAMETOOLONG;
  std::memcpy(address.sun_path, path_.data(), path_.size());
  if (!socket_) socket_ = node::UniqueFd(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!socket_) return errno;
  iovec io{const_cast<char*>(entry.data()), entry.size()};
  msghdr message{};
  // By its path each time, not connected: a journal that was started anew has another socket there.
  message.msg_name = &address;
  message.msg_namelen = sizeof address;
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  if (fd >= 0) {
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    cmsghdr* const header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof fd);
    std::memcpy(CMSG_DATA(header), &fd, sizeof fd);
  } else {
    message.msg_iov = &io;
    message.msg_iovlen = 1;
  }
  ssize_t n = 0;
  do {
    n = sendmsg(socket_.get(), &message, MSG_DONTWAIT | MSG_NOSIGNAL);
  } while (n < 0 && errno == EINTR);
  return n < 0 ? errno : 0;
}

int JournalSocket::TrySendInMemory(std::string_view entry) {
  const node::UniqueFd memory(memfd_create("procctl-journal", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!memory) return errno;
  while (!entry.empty()) {
    const ssize_t n = write(memory.get(), entry.data(), entry.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno;
    entry.remove_prefix(static_cast<size_t>(n));
  }
  // journald reads only what nobody can change any more.
  if (fcntl(memory.get(), F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) !=
      0) {
    return errno;
  }
  return TrySend({}, memory.get());
}

absl::Status JournalSocket::Send(std::string_view entry, node::MonoTime now) {
  int error = TrySend(entry, -1);
  // Longer than the buffer of a socket. One that fits never goes this way, so that buffer bounds
  // how many of these a journal that does not read can make us hold.
  if (error == EMSGSIZE || error == ENOBUFS) error = TrySendInMemory(entry);
  if (error == 0) {
    full_since_.reset();
    return absl::OkStatus();
  }
  if (error != EAGAIN && error != ENOBUFS) {
    full_since_.reset();
    return absl::UnavailableError(
        fmt::format("the journal cannot be reached: {}: {}", path_, std::strerror(error)));
  }
  if (!full_since_) full_since_ = now;
  if (now - *full_since_ > kStall) {
    return absl::UnavailableError(
        fmt::format("the journal takes nothing: {} is full and nobody reads it", path_));
  }
  return absl::ResourceExhaustedError("the journal is busy");
}

}  // namespace procctl::logger
