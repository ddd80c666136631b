// When a node may send its snapshot: after a controller's start the whole fleet wants to at once,
// and a million rows in one second would keep everything else waiting. So kAtATime are being
// received at a time; those that come later are told to wait until it should be their turn, by what
// a snapshot takes just now.
//
// Pure. Bounded: a session that never sends one is taken out after kPatience.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "controller/core/mono_time.h"

namespace procctl::controller {

class SnapshotPacer {
 public:
  static constexpr int kAtATime = 64;
  // Rows that come late are worth more than a perfect pace.
  static constexpr std::chrono::seconds kMostDelay{60};
  static constexpr std::chrono::seconds kPatience{30};

  // A session is about to be welcomed: how long it is to wait. `can_wait`: its node knows how to;
  // one that does not takes a place all the same.
  std::chrono::nanoseconds Plan(const std::string& node, std::int64_t session_epoch, bool can_wait,
                                MonoTime now);
  // The snapshot of that session is complete.
  void Received(const std::string& node, std::int64_t session_epoch, MonoTime now);
  // The session ended.
  void Gone(const std::string& node, std::int64_t session_epoch);

  std::size_t waiting() const { return expected_.size(); }

 private:
  struct Expected {
    std::int64_t session_epoch = 0;
    MonoTime due;
  };
  void TakeOutTheLate(MonoTime now);

  absl::flat_hash_map<std::string, Expected> expected_;
  // What one takes from its due time to its end: an average that follows slowly.
  std::chrono::nanoseconds typical_ = std::chrono::milliseconds(200);
  MonoTime looked_;
};

}  // namespace procctl::controller
