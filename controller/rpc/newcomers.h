// The book of newcomers with their sockets. gRPC owns each connection once it was handed over, and
// says of it only what calls come; so a second descriptor of each newcomer is kept here, on which
// its end is seen and by which it is shut down when its time is over (shutdown(2) acts on the
// connection, whoever else holds it). It is closed when the first call comes: from then on a
// connection costs one descriptor.
//
// Thread-safe.
#pragma once

#include <sys/socket.h>

#include <atomic>
#include <cstdint>
#include <optional>
#include <string_view>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "controller/core/newcomer_book.h"
#include "proto/support/unique_fd.h"

namespace procctl::controller {

class Newcomers {
 public:
  static absl::StatusOr<std::unique_ptr<Newcomers>> Make(const ConnectionLimits& limits);

  // Before the connection is handed over: its first call may come at once.
  enum class Answer { kWelcome, kTooManyOfAddress, kShunned, kNoDescriptor };
  Answer Admit(int connection, const sockaddr_storage& peer, MonoTime now);

  // A connection of this address was cut because it did harm: nobody of it is taken in for
  // kShunTime. Who has a session keeps it. `peer` as ServerContext::peer() has it. Any thread.
  static constexpr std::chrono::seconds kShunTime{10};
  void Shun(std::string_view peer, MonoTime now);

  // `peer`, as ServerContext::peer() has it, has begun a call in its own name. Any thread.
  void Settle(std::string_view peer);
  // Cheap: whether Settle could change anything.
  bool any() const { return count_.load(std::memory_order_relaxed) > 0; }

  // Handshakes that wait for us, with bytes that gRPC's threads have not read yet. A step of one
  // takes half a millisecond and gRPC serves its sockets in turn, so this is what an order of an
  // operator waits behind while a fleet arrives.
  static constexpr std::size_t kMostWaiting = 16;
  // Handshakes that are under way at all, most of them waiting for their peer.
  static constexpr std::size_t kMostAtOnce = 256;
  // More would only make all of them late: leave them in the kernel's queue for a moment. Who has
  // taken over kPatience does not count, so stalling holds up nobody for longer.
  static constexpr std::chrono::seconds kPatience{3};
  bool Crowded(MonoTime now) const;

  // Readable when a newcomer has ended; then Tend.
  int wake_fd() const { return epoll_.get(); }
  std::optional<MonoTime> NextDeadline() const;
  // Forgets those that ended and shuts down those whose time is over; returns how many those were.
  int Tend(MonoTime now);

 private:
  Newcomers(const ConnectionLimits& limits, UniqueFd epoll)
      : epoll_(std::move(epoll)), book_(limits) {}
  void ForgetSocket(NewcomerBook::Id id) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const UniqueFd epoll_;
  std::atomic<std::size_t> count_{0};
  mutable absl::Mutex mutex_;
  NewcomerBook book_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_map<NewcomerBook::Id, UniqueFd> sockets_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace procctl::controller
