#include "cli/local_socket.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>
#include <utility>

#include "spdlog/fmt/fmt.h"

namespace procctl::cli {
namespace {

// The longest reply of local.proto.
constexpr size_t kMostReplyBytes = 128 * 1024;

absl::Status NotConnected(const std::string& path, int error) {
  switch (error) {
    case ENOENT:
    case ENOTDIR:
    case ECONNREFUSED:
      return absl::UnavailableError(fmt::format(
          "nobody serves {}: procctl-node does not run here, or its runtime_dir is another one "
          "(--runtime-dir)",
          path));
    case EACCES:
    case EPERM:
      return absl::PermissionDeniedError(
          fmt::format("{} is for root and for the user that procctl-node runs as; use sudo", path));
    case EAGAIN:
      return absl::UnavailableError(
          fmt::format("too many wait for procctl-node at {}; try again", path));
    case EPROTOTYPE:
      return absl::FailedPreconditionError(
          fmt::format("{} is no socket of a procctl-node of this version", path));
    default:
      return absl::UnavailableError(fmt::format("{}: {}", path, std::strerror(error)));
  }
}

}  // namespace

absl::StatusOr<LocalSocket> LocalSocket::Connect(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) {
    return absl::InvalidArgumentError(
        fmt::format("--runtime-dir: {} is over {} bytes", path, sizeof address.sun_path - 1));
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  UniqueFd fd(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  UniqueFd wake(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!fd.ok() || !wake.ok()) {
    return absl::ResourceExhaustedError(fmt::format("no socket: {}", std::strerror(errno)));
  }
  if (connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    return NotConnected(path, errno);
  }
  return LocalSocket(path, std::move(fd), std::move(wake));
}

absl::Status LocalSocket::Gone(int error) const {
  return absl::UnavailableError(fmt::format("procctl-node ended the connection at {}{}", path_,
                                            error == 0 || error == ECONNRESET || error == EPIPE
                                                ? ": it was stopped, killed or replaced; try again"
                                                : fmt::format(" ({})", std::strerror(error))));
}

absl::StatusOr<short> LocalSocket::Await(short events, Deadline deadline,
                                         const std::stop_token& stop) {
  // From the thread that requests the stop.
  const std::stop_callback wake(stop, [fd = wake_.get()] { (void)eventfd_write(fd, 1); });
  for (;;) {
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    const auto timeout = std::clamp<std::chrono::milliseconds::rep>(
        left.count(), 0, std::numeric_limits<int>::max());
    pollfd ready[] = {{fd_.get(), events, 0}, {wake_.get(), POLLIN, 0}};
    const int count = poll(ready, 2, static_cast<int>(timeout));
    if (stop.stop_requested()) return absl::CancelledError("interrupted");
    if (count < 0 && errno != EINTR) return Gone(errno);
    if (count > 0 && ready[0].revents != 0) return ready[0].revents;
    if (count == 0 && std::chrono::steady_clock::now() >= deadline) {
      return absl::DeadlineExceededError(fmt::format(
          "procctl-node does not answer at {}; it may be stopped or overloaded", path_));
    }
  }
}

absl::Status LocalSocket::Send(const v1::LocalRequest& request, Deadline deadline,
                               const std::stop_token& stop) {
  const std::string bytes = request.SerializeAsString();
  for (;;) {
    if (send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL) >= 0) return absl::OkStatus();
    if (errno == EINTR) continue;
    if (errno != EAGAIN && errno != EWOULDBLOCK) return Gone(errno);
    // Whoever does not read is not read from either.
    const auto ready = Await(POLLIN | POLLOUT, deadline, stop);
    if (!ready.ok()) return ready.status();
    if ((*ready & POLLIN) == 0) continue;
    auto reply = Read();
    if (!reply.ok()) return reply.status();
    early_.push_back(*std::move(reply));
  }
}

absl::StatusOr<v1::LocalReply> LocalSocket::Receive(Deadline deadline,
                                                    const std::stop_token& stop) {
  if (!early_.empty()) {
    v1::LocalReply reply = std::move(early_.front());
    early_.pop_front();
    return reply;
  }
  if (const auto ready = Await(POLLIN, deadline, stop); !ready.ok()) return ready.status();
  return Read();
}

absl::StatusOr<v1::LocalReply> LocalSocket::Read() {
  std::string bytes(kMostReplyBytes, '\0');
  ssize_t size = 0;
  do {
    size = recv(fd_.get(), bytes.data(), bytes.size(), MSG_TRUNC);
  } while (size < 0 && errno == EINTR);
  if (size <= 0) return Gone(size < 0 ? errno : 0);
  v1::LocalReply reply;
  if (static_cast<size_t>(size) > bytes.size() ||
      !reply.ParseFromArray(bytes.data(), static_cast<int>(size))) {
    return absl::InternalError(
        fmt::format("the answer of procctl-node at {} cannot be read; is it "
                    "of another version?",
                    path_));
  }
  return reply;
}

}  // namespace procctl::cli
