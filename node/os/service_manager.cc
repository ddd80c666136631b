#include "node/os/service_manager.h"

#include <fcntl.h>
#include <sys/types.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "spdlog/fmt/fmt.h"

namespace procctl::node {
namespace {

constexpr int kFirstFd = 3;  // SD_LISTEN_FDS_START
constexpr int kMostFds = 65536;
constexpr size_t kMostNameBytes = 255;
constexpr size_t kMostStatusBytes = 1024;

// Nullopt: not set.
std::optional<std::string> Take(const char* name) {
  const char* value = std::getenv(name);
  if (value == nullptr) return std::nullopt;
  std::string text = value;
  unsetenv(name);
  return text;
}

std::optional<uint64_t> Number(const std::optional<std::string>& text) {
  uint64_t number = 0;
  if (!text || text->empty()) return std::nullopt;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), number);
  if (error != std::errc() || end != text->data() + text->size()) return std::nullopt;
  return number;
}

std::string OneLine(std::string_view text) {
  std::string line(text.substr(0, kMostStatusBytes));
  for (char& c : line)
    if (static_cast<unsigned char>(c) < ' ' || c == '\x7f') c = ' ';
  return line;
}

absl::Status CheckName(std::string_view name) {
  const bool good =
      !name.empty() && name.size() <= kMostNameBytes &&
      std::ranges::all_of(name, [](char c) { return c >= ' ' && c < 0x7f && c != ':'; });
  return good ? absl::OkStatus()
              : absl::InvalidArgumentError(
                    "a stored descriptor's name has 1 to 255 printable ASCII characters, no ':'");
}

// Mine, or nobody's in particular.
bool ForUs(const std::optional<std::string>& pid) {
  return !pid || Number(pid) == static_cast<uint64_t>(getpid());
}

std::vector<ServiceManager::StoredFd> Received(uint64_t count, std::string_view names) {
  std::vector<ServiceManager::StoredFd> stored;
  const int end = kFirstFd + static_cast<int>(std::min<uint64_t>(count, kMostFds));
  for (int fd = kFirstFd; fd < end; ++fd) {
    const size_t colon = names.find(':');
    const std::string_view name = names.substr(0, colon);
    names = colon == std::string_view::npos ? std::string_view() : names.substr(colon + 1);
    // Not open: the variable says more than there is.
    if (fcntl(fd, F_SETFD, FD_CLOEXEC) != 0) continue;
    stored.push_back({std::string(name), UniqueFd(fd)});
  }
  return stored;
}

}  // namespace

ServiceManager ServiceManager::FromEnvironment() {
  ServiceManager manager;
  const auto path = Take("NOTIFY_SOCKET");
  const auto watchdog_usec = Number(Take("WATCHDOG_USEC"));
  const auto watchdog_pid = Take("WATCHDOG_PID");
  const auto listen_pid = Take("LISTEN_PID");
  const auto listen_fds = Number(Take("LISTEN_FDS"));
  const auto listen_names = Take("LISTEN_FDNAMES");
  (void)Take("LISTEN_PIDFDID");  // says no more than LISTEN_PID does, and must not be inherited

  if (path && !path->empty()) {
    sockaddr_un& address = manager.address_;
    const bool abstract = path->front() == '@';
    if ((!abstract && path->front() != '/') || path->size() < 2 ||
        path->size() >= sizeof address.sun_path) {
      manager.address_error_ = absl::InvalidArgumentError(fmt::format(
          "NOTIFY_SOCKET={} is neither an absolute path nor an @abstract name of at most {} bytes",
          OneLine(*path), sizeof address.sun_path - 1));
    } else {
      address.sun_family = AF_UNIX;
      std::memcpy(address.sun_path, path->data(), path->size());
      if (abstract) address.sun_path[0] = '\0';
      // An abstract name ends with the length, a path with a NUL.
      manager.address_bytes_ = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) +
                                                      path->size() + (abstract ? 0 : 1));
    }
  }
  constexpr auto kMostUsec = static_cast<uint64_t>(INT64_MAX / 1000);
  if (watchdog_usec && *watchdog_usec > 0 && *watchdog_usec <= kMostUsec && ForUs(watchdog_pid)) {
    manager.watchdog_interval_ =
        Nanos(std::chrono::microseconds(static_cast<int64_t>(*watchdog_usec))) / 2;
  }
  // Here the pid is not optional: descriptors that are not ours must not be closed.
  if (listen_fds && listen_pid && ForUs(listen_pid))
    manager.stored_ = Received(*listen_fds, listen_names.value_or(""));
  return manager;
}

absl::Status ServiceManager::Ready(std::string_view status) {
  return Send(fmt::format("READY=1\nSTATUS={}", OneLine(status)));
}

absl::Status ServiceManager::Status(std::string_view status) {
  return Send(fmt::format("STATUS={}", OneLine(status)));
}

absl::Status ServiceManager::Stopping() { return Send("STOPPING=1"); }

absl::Status ServiceManager::Watchdog() { return Send("WATCHDOG=1"); }

absl::Status ServiceManager::StoreFd(int fd, std::string_view name) {
  if (const absl::Status bad = CheckName(name); !bad.ok()) return bad;
  if (fcntl(fd, F_GETFD) < 0) return absl::InvalidArgumentError("not an open descriptor");
  return Send(fmt::format("FDSTORE=1\nFDNAME={}", name), fd);
}

absl::Status ServiceManager::RemoveFd(std::string_view name) {
  if (const absl::Status bad = CheckName(name); !bad.ok()) return bad;
  return Send(fmt::format("FDSTOREREMOVE=1\nFDNAME={}", name));
}

absl::Status ServiceManager::Send(std::string_view message, int fd) {
  if (!address_error_.ok()) return address_error_;
  if (address_bytes_ == 0) return absl::OkStatus();
  if (!socket_) {
    socket_ = UniqueFd(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!socket_)
      return absl::ResourceExhaustedError(fmt::format("socket: {}", std::strerror(errno)));
  }
  iovec io{const_cast<char*>(message.data()), message.size()};
  msghdr header{};
  // Addressed each time, never connected: the manager may be replaced while we live.
  header.msg_name = &address_;
  header.msg_namelen = address_bytes_;
  header.msg_iov = &io;
  header.msg_iovlen = 1;
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  if (fd >= 0) {
    header.msg_control = control;
    header.msg_controllen = sizeof control;
    cmsghdr* c = CMSG_FIRSTHDR(&header);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof fd);
    std::memcpy(CMSG_DATA(c), &fd, sizeof fd);
  }
  ssize_t n = 0;
  do {
    n = sendmsg(socket_.get(), &header, MSG_DONTWAIT | MSG_NOSIGNAL);
  } while (n < 0 && errno == EINTR);
  if (n >= 0) return absl::OkStatus();
  const std::string text = fmt::format("to the service manager: {}", std::strerror(errno));
  switch (errno) {
    case EAGAIN:
    case ENOBUFS:
    case ETOOMANYREFS:  // descriptors sent and not yet received
      return absl::UnavailableError(text);
    case ENOMEM:
      return absl::ResourceExhaustedError(text);
    default:
      return absl::NotFoundError(text);
  }
}

}  // namespace procctl::node
