#include "controller/core/snapshot_pacer.h"

#include <algorithm>

namespace procctl::controller {
namespace {

using std::chrono::nanoseconds;

// One node behind a slow link must not hold up the others by its example.
constexpr nanoseconds kLeastTypical = std::chrono::milliseconds(10);
constexpr nanoseconds kMostTypical = std::chrono::seconds(5);
constexpr int kFollow = 16;
// Looking at all of them at each Welcome would cost more than the snapshots.
constexpr nanoseconds kLookEvery = std::chrono::seconds(1);

}  // namespace

nanoseconds SnapshotPacer::Plan(const std::string& node, std::int64_t session_epoch, bool can_wait,
                                MonoTime now) {
  expected_.erase(node);
  TakeOutTheLate(now);
  const int ahead = static_cast<int>(expected_.size());
  nanoseconds delay{0};
  if (can_wait && ahead >= kAtATime) {
    // The first to wait waits for one of those ahead to end: a kAtATime-th of what one takes.
    delay = std::min<nanoseconds>(typical_ * (ahead - kAtATime + 1) / kAtATime, kMostDelay);
  }
  expected_[node] = {session_epoch, now + delay};
  return delay;
}

void SnapshotPacer::Received(const std::string& node, std::int64_t session_epoch, MonoTime now) {
  const auto it = expected_.find(node);
  if (it == expected_.end() || it->second.session_epoch != session_epoch) return;
  const nanoseconds took =
      std::clamp<nanoseconds>(now - it->second.due, kLeastTypical, kMostTypical);
  typical_ += (took - typical_) / kFollow;
  expected_.erase(it);
}

void SnapshotPacer::Gone(const std::string& node, std::int64_t session_epoch) {
  const auto it = expected_.find(node);
  if (it != expected_.end() && it->second.session_epoch == session_epoch) expected_.erase(it);
}

void SnapshotPacer::TakeOutTheLate(MonoTime now) {
  if (now - looked_ < kLookEvery) return;
  looked_ = now;
  absl::erase_if(expected_, [&](const auto& entry) { return now - entry.second.due > kPatience; });
}

}  // namespace procctl::controller
