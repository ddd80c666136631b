// epoll with handlers. One thread.
#pragma once

#include <cstdint>
#include <functional>
#include <unordered_map>

#include "absl/status/statusor.h"
#include "node/os/unique_fd.h"

namespace procctl::node {

class Poller {
 public:
  using Token = uint64_t;
  using Handler = std::function<void(uint32_t events)>;

  static absl::StatusOr<Poller> Create();

  // Level-triggered. The caller keeps the descriptor open until Remove. RESOURCE_EXHAUSTED when the
  // kernel has no room.
  absl::StatusOr<Token> Add(int fd, uint32_t events, Handler handler);
  void Change(Token token, uint32_t events);
  // Safe inside a handler, also for others whose events are still waiting in the same batch: they
  // are dropped.
  void Remove(Token token);

  // Waits at most `timeout_ms` (-1: for ever), then runs the handlers of all that is ready. Returns
  // how many ran.
  int Wait(int timeout_ms);

 private:
  struct Entry {
    int fd = -1;
    Handler handler;
  };

  explicit Poller(UniqueFd epoll) : epoll_(std::move(epoll)) {}

  UniqueFd epoll_;
  Token next_ = 1;
  std::unordered_map<Token, Entry> entries_;
};

}  // namespace procctl::node
