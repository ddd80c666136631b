#include "node/notify/receiver.h"

#include <fcntl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "node/notify/message.h"

namespace procctl::notify {
namespace {

// As many as the kernel lets one message carry.
constexpr size_t kMostDescriptors = 253;

bool RandomName(std::string* out) {
  uint8_t bytes[16];
  if (getrandom(bytes, sizeof bytes, 0) != static_cast<ssize_t>(sizeof bytes)) return false;
  constexpr char kDigits[] = "0123456789abcdef";
  out->clear();
  for (const uint8_t byte : bytes) {
    out->push_back(kDigits[byte >> 4]);
    out->push_back(kDigits[byte & 15]);
  }
  return true;
}

void CloseAll(const cmsghdr& header, const unsigned char* data) {
  const size_t bytes = header.cmsg_len - CMSG_LEN(0);
  for (size_t at = 0; at + sizeof(int) <= bytes; at += sizeof(int)) {
    int fd = -1;
    std::memcpy(&fd, data + at, sizeof fd);
    if (fd >= 0) (void)close(fd);
  }
}

}  // namespace

Receiver::Receiver(Receiver&& other) noexcept { *this = std::move(other); }

Receiver& Receiver::operator=(Receiver&& other) noexcept {
  if (this == &other) return *this;
  Close();
  socket_ = std::move(other.socket_);
  folder_ = std::exchange(other.folder_, {});
  path_ = std::exchange(other.path_, {});
  return *this;
}

Receiver Receiver::Open(const std::string& base, int* error) {
  Receiver receiver;
  *error = 0;
  std::string name;
  std::string folder = base + "/procctl-notify-XXXXXX";
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (!RandomName(&name)) {
    *error = errno;
    return receiver;
  }
  if (folder.size() + 1 + name.size() >= sizeof address.sun_path) {
    *error = ENAMETOOLONG;
    return receiver;
  }
  if (mkdtemp(folder.data()) == nullptr) {
    *error = errno;
    return receiver;
  }
  receiver.folder_ = folder;
  receiver.path_ = folder + "/" + name;
  std::memcpy(address.sun_path, receiver.path_.c_str(), receiver.path_.size() + 1);
  receiver.Bind(address, error);
  if (*error != 0) receiver.Close();
  return receiver;
}

Receiver Receiver::OpenAgain(const std::string& path, int* error) {
  Receiver receiver;
  *error = 0;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos || path.size() >= sizeof address.sun_path) {
    *error = ENAMETOOLONG;
    return receiver;
  }
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  if (unlink(path.c_str()) != 0 && errno != ENOENT) {
    *error = errno;
    return receiver;
  }
  receiver.path_ = path;
  receiver.folder_ = path.substr(0, slash);
  receiver.Bind(address, error);
  if (*error != 0) receiver.Leave();
  return receiver;
}

void Receiver::Bind(const sockaddr_un& address, int* error) {
  UniqueFd made(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const int on = 1;
  // The folder opens last: nobody can reach a socket that does not name its senders yet.
  if (!made.ok() || setsockopt(made.get(), SOL_SOCKET, SO_PASSCRED, &on, sizeof on) != 0 ||
      bind(made.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      chmod(path_.c_str(), 0666) != 0 || chmod(folder_.c_str(), 0711) != 0) {
    *error = errno;
    return;
  }
  socket_ = std::move(made);
}

std::optional<Datagram> Receiver::Receive() {
  // One more than may be: so a longer one is told apart.
  char bytes[kMostBytes + 1];
  alignas(cmsghdr) unsigned char
      control[CMSG_SPACE(sizeof(ucred)) + CMSG_SPACE(kMostDescriptors * sizeof(int))];
  iovec vector{bytes, sizeof bytes};
  msghdr message{};
  message.msg_iov = &vector;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  ssize_t size = 0;
  do {
    size = recvmsg(socket_.get(), &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  } while (size < 0 && errno == EINTR);
  if (size < 0) return std::nullopt;
  Datagram datagram;
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr;
       header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_SOCKET) continue;
    if (header->cmsg_type == SCM_CREDENTIALS && header->cmsg_len >= CMSG_LEN(sizeof(ucred))) {
      std::memcpy(&datagram.sender, CMSG_DATA(header), sizeof datagram.sender);
    } else if (header->cmsg_type == SCM_RIGHTS) {
      CloseAll(*header, CMSG_DATA(header));
    }
  }
  // Cut control data only means that there were more descriptors than fit; the kernel closed those.
  if (static_cast<size_t>(size) <= kMostBytes && (message.msg_flags & MSG_TRUNC) == 0) {
    datagram.bytes.assign(bytes, static_cast<size_t>(size));
  }
  return datagram;
}

void Receiver::Leave() {
  socket_.Reset();
  path_.clear();
  folder_.clear();
}

void Receiver::Close() {
  socket_.Reset();
  if (!path_.empty()) (void)unlink(path_.c_str());
  if (!folder_.empty()) (void)rmdir(folder_.c_str());
  path_.clear();
  folder_.clear();
}

}  // namespace procctl::notify
