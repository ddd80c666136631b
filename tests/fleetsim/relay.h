// A relay between simulated nodes and their controller that can fail as networks do: it stops
// passing bytes without a word (both ways, or one), or resets every connection.
//
// One thread of its own. A connection costs three descriptors more than a direct one, so only the
// share of the fleet that a partition is to hit goes through it.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <unordered_map>

#include "absl/status/statusor.h"
#include "proto/support/unique_fd.h"

namespace procctl::fleetsim {

class Relay {
 public:
  enum class Mode {
    kPass,
    kDrop,        // nothing passes; both ends see an open connection
    kDropToNode,  // what the controller sends does not arrive
    kDropToController,
    kReset,  // open connections are reset, new ones too
  };

  // Listens on loopback; `controller` is host:port with a numeric address.
  static absl::StatusOr<std::unique_ptr<Relay>> Start(const std::string& controller);
  ~Relay();

  // host:port of loopback.
  const std::string& address() const { return address_; }

  // Any thread. Back in kPass, what had been held up goes on where it stopped.
  void SetMode(Mode mode);

 private:
  struct Pair;

  Relay(UniqueFd listener, UniqueFd epoll, UniqueFd wake, std::string address, std::string peer);
  void Loop();
  void Accept();
  void TakeMode();
  // True: bytes may pass in the direction that begins at that end of a pair.
  bool Allowed(int from) const;
  // False: the pair is to go.
  bool Move(Pair* pair, int from);
  void Watch(Pair* pair);
  void Drop(const std::shared_ptr<Pair>& pair, bool reset);

  UniqueFd listener_;
  UniqueFd epoll_;
  UniqueFd wake_;
  const std::string address_;
  const std::string peer_;  // a sockaddr, as bytes
  std::atomic<Mode> wanted_{Mode::kPass};
  std::atomic<bool> stop_{false};
  // The thread's own.
  Mode mode_ = Mode::kPass;
  // By each of its two descriptors.
  std::unordered_map<int, std::shared_ptr<Pair>> pairs_;
  std::thread thread_;
};

}  // namespace procctl::fleetsim
