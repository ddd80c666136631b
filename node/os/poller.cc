#include "node/os/poller.h"

#include <sys/epoll.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "spdlog/fmt/fmt.h"

namespace procctl::node {

absl::StatusOr<Poller> Poller::Create() {
  UniqueFd epoll(epoll_create1(EPOLL_CLOEXEC));
  if (!epoll)
    return absl::ResourceExhaustedError(fmt::format("epoll_create1: {}", std::strerror(errno)));
  return Poller(std::move(epoll));
}

absl::StatusOr<Poller::Token> Poller::Add(int fd, uint32_t events, Handler handler) {
  const Token token = next_++;
  epoll_event event{};
  event.events = events;
  event.data.u64 = token;
  if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0) {
    return absl::ResourceExhaustedError(fmt::format("epoll_ctl: {}", std::strerror(errno)));
  }
  entries_.emplace(token, Entry{fd, std::move(handler)});
  return token;
}

void Poller::Change(Token token, uint32_t events) {
  const auto entry = entries_.find(token);
  if (entry == entries_.end()) return;
  epoll_event event{};
  event.events = events;
  event.data.u64 = token;
  (void)epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, entry->second.fd,
                  &event);  // fails only for a closed fd
}

void Poller::Remove(Token token) {
  const auto entry = entries_.find(token);
  if (entry == entries_.end()) return;
  (void)epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, entry->second.fd,
                  nullptr);  // fails only for a closed fd
  entries_.erase(entry);
}

int Poller::Wait(int timeout_ms) {
  std::array<epoll_event, 256> ready;
  const int count =
      epoll_wait(epoll_.get(), ready.data(), static_cast<int>(ready.size()), timeout_ms);
  for (int i = 0; i < count; ++i) {
    const auto entry = entries_.find(ready[static_cast<size_t>(i)].data.u64);
    if (entry == entries_.end()) continue;  // removed by an earlier handler of this batch
    // A copy: the handler may remove itself.
    const Handler handler = entry->second.handler;
    handler(ready[static_cast<size_t>(i)].events);
  }
  return count < 0 ? 0 : count;
}

}  // namespace procctl::node
