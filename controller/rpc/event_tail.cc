#include "controller/rpc/event_tail.h"

#include <utility>

namespace procctl::controller {
namespace {

// What an event costs in memory beside its serialised size, roughly.
constexpr std::size_t kBytesPerEvent = 500;

}  // namespace

void EventTail::StartAt(std::int64_t position) {
  absl::MutexLock lock(&mutex_);
  waiting_.position = position;
}

void EventTail::OnCommitted(const Committed& committed) {
  if (committed.positions.empty()) return;
  absl::MutexLock lock(&mutex_);
  waiting_.position = committed.positions.back();
  if (!keeping_ || waiting_.overflowed) return;
  for (std::size_t i = 0; i < committed.fresh.size(); ++i) {
    LoggedEvent& logged = waiting_.events.emplace_back();
    logged.position = committed.positions[i];
    logged.received_at = committed.received_at;
    logged.skew = committed.skew;
    logged.event = committed.fresh[i];
    bytes_ += logged.event.ByteSizeLong() + kBytesPerEvent;
  }
  if (bytes_ <= kMostBytes) return;
  waiting_.overflowed = true;
  waiting_.events.clear();
}

std::int64_t EventTail::Keep(bool on) {
  absl::MutexLock lock(&mutex_);
  keeping_ = on;
  if (!on) {
    waiting_.events.clear();
    waiting_.overflowed = false;
    bytes_ = 0;
  }
  return waiting_.position;
}

EventTail::Taken EventTail::Take() {
  absl::MutexLock lock(&mutex_);
  bytes_ = 0;
  Taken taken;
  taken.position = waiting_.position;
  taken.overflowed = std::exchange(waiting_.overflowed, false);
  taken.events.swap(waiting_.events);
  return taken;
}

}  // namespace procctl::controller
