#include "proto/support/tcp_connect.h"

#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>

#include "spdlog/fmt/fmt.h"

namespace procctl {
namespace {

struct FreeAddresses {
  void operator()(addrinfo* list) const { freeaddrinfo(list); }
};

// 0 and a connected descriptor, or the errno of the failure.
int TryAddress(const addrinfo& address, Deadline deadline, UniqueFd* out) {
  UniqueFd fd(socket(address.ai_family, address.ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK,
                     address.ai_protocol));
  if (!fd.ok()) return errno;
  if (connect(fd.get(), address.ai_addr, address.ai_addrlen) != 0) {
    if (errno != EINPROGRESS) return errno;
    if (!WaitFor(fd.get(), /*writing=*/true, deadline)) return ETIMEDOUT;
    int error = 0;
    socklen_t size = sizeof(error);
    if (getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &error, &size) != 0) return errno;
    if (error != 0) return error;
  }
  *out = std::move(fd);
  return 0;
}

absl::Status Explain(const std::string& host, const std::string& port, int error) {
  const std::string where = fmt::format("{}:{}", host, port);
  if (error == ECONNREFUSED) {
    return absl::UnavailableError(fmt::format(
        "cannot reach the controller at {} (connection refused); is procctl-controller running "
        "there, and is the port right?",
        where));
  }
  if (error == ETIMEDOUT) {
    return absl::UnavailableError(fmt::format(
        "no answer from {} in time; check the address, and whether a firewall drops the port",
        where));
  }
  return absl::UnavailableError(
      fmt::format("cannot reach the controller at {}: {}", where, std::strerror(error)));
}

}  // namespace

bool WaitFor(int fd, bool writing, Deadline deadline) {
  for (;;) {
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    pollfd entry{fd, static_cast<short>(writing ? POLLOUT : POLLIN), 0};
    const int ready =
        poll(&entry, 1, static_cast<int>(std::clamp<int64_t>(left.count(), 0, 3'600'000)));
    if (ready > 0) return true;
    if (ready == 0 && left.count() <= 0) return false;
    if (ready < 0 && errno != EINTR) return false;
  }
}

absl::StatusOr<UniqueFd> ConnectTcp(const std::string& host, const std::string& port,
                                    Deadline deadline) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const int failed = getaddrinfo(host.c_str(), port.c_str(), &hints, &found);
  const std::unique_ptr<addrinfo, FreeAddresses> addresses(found);
  if (failed != 0) {
    return absl::UnavailableError(
        fmt::format("the host name \"{}\" does not resolve ({}); check the controller's address",
                    host, gai_strerror(failed)));
  }
  int error = EADDRNOTAVAIL;
  for (const addrinfo* address = found; address != nullptr; address = address->ai_next) {
    UniqueFd fd;
    error = TryAddress(*address, deadline, &fd);
    if (error == 0) return fd;
  }
  return Explain(host, port, error);
}

}  // namespace procctl
