#include "tests/fleetsim/relay.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <utility>
#include <vector>

#include "spdlog/fmt/fmt.h"

namespace procctl::fleetsim {
namespace {

constexpr std::size_t kBuffer = 16 * 1024;
constexpr int kBacklog = 1024;

absl::StatusOr<sockaddr_in> ParseAddress(const std::string& address) {
  const std::size_t colon = address.rfind(':');
  sockaddr_in parsed = {};
  parsed.sin_family = AF_INET;
  std::uint16_t port = 0;
  const char* const end = address.data() + address.size();
  if (colon == std::string::npos ||
      std::from_chars(address.data() + colon + 1, end, port).ptr != end ||
      inet_pton(AF_INET, address.substr(0, colon).c_str(), &parsed.sin_addr) != 1) {
    return absl::InvalidArgumentError(fmt::format(
        "\"{}\" is not a numeric IPv4 address with a port, which a partition needs", address));
  }
  parsed.sin_port = htons(port);
  return parsed;
}

}  // namespace

// End 0 is the node's, end 1 the controller's. What is read at one end is held for the other.
struct Relay::Pair {
  struct End {
    UniqueFd fd;
    std::uint32_t watched = 0;
    std::array<char, kBuffer> held;
    std::size_t begin = 0;
    std::size_t size = 0;
    bool at_end = false;
    bool passed_on = false;  // its end, to the other end
  };
  std::array<End, 2> ends;
};

absl::StatusOr<std::unique_ptr<Relay>> Relay::Start(const std::string& controller) {
  auto peer = ParseAddress(controller);
  if (!peer.ok()) return peer.status();
  UniqueFd listener(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  sockaddr_in own = {};
  own.sin_family = AF_INET;
  own.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof(own);
  UniqueFd epoll(epoll_create1(EPOLL_CLOEXEC));
  UniqueFd wake(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!listener.ok() || !epoll.ok() || !wake.ok() ||
      bind(listener.get(), reinterpret_cast<sockaddr*>(&own), length) != 0 ||
      listen(listener.get(), kBacklog) != 0 ||
      getsockname(listener.get(), reinterpret_cast<sockaddr*>(&own), &length) != 0) {
    return absl::InternalError(fmt::format("the relay cannot listen: {}", std::strerror(errno)));
  }
  for (const int fd : {listener.get(), wake.get()}) {
    epoll_event event = {};
    event.events = EPOLLIN;
    event.data.fd = fd;
    epoll_ctl(epoll.get(), EPOLL_CTL_ADD, fd, &event);
  }
  return std::unique_ptr<Relay>(
      new Relay(std::move(listener), std::move(epoll), std::move(wake),
                fmt::format("127.0.0.1:{}", ntohs(own.sin_port)),
                std::string(reinterpret_cast<const char*>(&*peer), sizeof(*peer))));
}

Relay::Relay(UniqueFd listener, UniqueFd epoll, UniqueFd wake, std::string address,
             std::string peer)
    : listener_(std::move(listener)),
      epoll_(std::move(epoll)),
      wake_(std::move(wake)),
      address_(std::move(address)),
      peer_(std::move(peer)),
      thread_([this] { Loop(); }) {}

Relay::~Relay() {
  stop_ = true;
  SetMode(Mode::kPass);
  thread_.join();
}

void Relay::SetMode(Mode mode) {
  wanted_ = mode;
  const std::uint64_t one = 1;
  // Only a counter at its bound makes this fail, and then the thread is awake.
  (void)!write(wake_.get(), &one, sizeof(one));
}

void Relay::Loop() {
  std::array<epoll_event, 128> events;
  while (!stop_) {
    const int count = epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), -1);
    for (int i = 0; i < count; ++i) {
      const epoll_event& event = events[static_cast<std::size_t>(i)];
      if (event.data.fd == wake_.get()) {
        TakeMode();
        continue;
      }
      if (event.data.fd == listener_.get()) {
        Accept();
        continue;
      }
      const auto found = pairs_.find(event.data.fd);
      if (found == pairs_.end()) continue;
      const std::shared_ptr<Pair> pair = found->second;
      const int end = pair->ends[0].fd.get() == event.data.fd ? 0 : 1;
      if ((event.events & (EPOLLERR | EPOLLHUP)) != 0 && (!Allowed(0) || !Allowed(1))) {
        // It died while nothing may be told: looked at again when the mode changes.
        epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, event.data.fd, nullptr);
        pair->ends[static_cast<std::size_t>(end)].watched = 0;
        continue;
      }
      if (!Move(pair.get(), 0) || !Move(pair.get(), 1)) {
        Drop(pair, /*reset=*/false);
      } else {
        Watch(pair.get());
      }
    }
  }
}

void Relay::TakeMode() {
  std::uint64_t count = 0;
  (void)!read(wake_.get(), &count, sizeof(count));
  mode_ = wanted_;
  std::vector<std::shared_ptr<Pair>> all;
  for (const auto& [fd, pair] : pairs_) {
    if (pair->ends[0].fd.get() == fd) all.push_back(pair);
  }
  for (const auto& pair : all) {
    if (mode_ == Mode::kReset) {
      Drop(pair, /*reset=*/true);
    } else if (!Move(pair.get(), 0) || !Move(pair.get(), 1)) {
      Drop(pair, /*reset=*/false);
    } else {
      Watch(pair.get());
    }
  }
  // While bytes are dropped a new connection is answered by the kernel alone.
  epoll_event event = {};
  event.events = mode_ == Mode::kPass || mode_ == Mode::kReset ? EPOLLIN : 0U;
  event.data.fd = listener_.get();
  epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, listener_.get(), &event);
}

bool Relay::Allowed(int from) const {
  switch (mode_) {
    case Mode::kPass:
    case Mode::kReset:
      return true;
    case Mode::kDrop:
      return false;
    case Mode::kDropToNode:
      return from == 0;
    case Mode::kDropToController:
      return from == 1;
  }
  return true;
}

void Relay::Accept() {
  for (;;) {
    UniqueFd node(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!node.ok()) return;
    UniqueFd controller(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!controller.ok()) continue;
    sockaddr_in peer;
    std::memcpy(&peer, peer_.data(), sizeof(peer));
    if (connect(controller.get(), reinterpret_cast<sockaddr*>(&peer), sizeof(peer)) != 0 &&
        errno != EINPROGRESS) {
      continue;
    }
    const int on = 1;
    for (const int fd : {node.get(), controller.get()}) {
      setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    }
    auto pair = std::make_shared<Pair>();
    pair->ends[0].fd = std::move(node);
    pair->ends[1].fd = std::move(controller);
    for (const Pair::End& end : pair->ends) pairs_[end.fd.get()] = pair;
    if (mode_ == Mode::kReset) {
      Drop(pair, /*reset=*/true);
    } else {
      Watch(pair.get());
    }
  }
}

bool Relay::Move(Pair* pair, int from) {
  if (!Allowed(from)) return true;
  Pair::End& source = pair->ends[static_cast<std::size_t>(from)];
  const Pair::End& target = pair->ends[static_cast<std::size_t>(1 - from)];
  for (;;) {
    if (source.size == 0 && !source.at_end) {
      const ssize_t got = recv(source.fd.get(), source.held.data(), source.held.size(), 0);
      if (got < 0 && (errno == EAGAIN || errno == EINTR || errno == ENOTCONN)) return true;
      if (got < 0) return false;
      source.at_end = got == 0;
      source.begin = 0;
      source.size = static_cast<std::size_t>(got);
    }
    if (source.size == 0) break;
    const ssize_t put =
        send(target.fd.get(), source.held.data() + source.begin, source.size, MSG_NOSIGNAL);
    if (put < 0 && (errno == EAGAIN || errno == EINTR || errno == ENOTCONN)) return true;
    if (put < 0) return false;
    source.begin += static_cast<std::size_t>(put);
    source.size -= static_cast<std::size_t>(put);
  }
  if (source.at_end && !source.passed_on) {
    shutdown(target.fd.get(), SHUT_WR);
    source.passed_on = true;
  }
  return !(pair->ends[0].passed_on && pair->ends[1].passed_on);
}

void Relay::Watch(Pair* pair) {
  for (int i = 0; i < 2; ++i) {
    Pair::End& end = pair->ends[static_cast<std::size_t>(i)];
    const Pair::End& other = pair->ends[static_cast<std::size_t>(1 - i)];
    std::uint32_t wanted = EPOLLET;  // never 0, so that what was taken out can be told
    if (Allowed(i) && end.size == 0 && !end.at_end) wanted = EPOLLIN;
    if (Allowed(1 - i) && other.size > 0) wanted = (wanted & ~std::uint32_t{EPOLLET}) | EPOLLOUT;
    if (wanted == end.watched) continue;
    epoll_event event = {};
    event.events = wanted;
    event.data.fd = end.fd.get();
    const int operation = end.watched == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;
    epoll_ctl(epoll_.get(), operation, end.fd.get(), &event);
    end.watched = wanted;
  }
}

void Relay::Drop(const std::shared_ptr<Pair>& pair, bool reset) {
  for (Pair::End& end : pair->ends) {
    pairs_.erase(end.fd.get());
    if (reset) {
      const linger at_once = {1, 0};
      setsockopt(end.fd.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    }
    end.fd = UniqueFd();  // takes it out of the epoll set too
  }
}

}  // namespace procctl::fleetsim
