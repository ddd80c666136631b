#include "controller/core/clock_skew.h"

#include <algorithm>

namespace procctl::controller {
namespace {

using std::chrono::nanoseconds;

// A heartbeat's echo is minutes old at most; hours are another life of somebody.
constexpr std::chrono::hours kOldestEcho{1};
// What clocks drift apart between the samples that are kept, with room.
constexpr std::chrono::milliseconds kDrift{50};

nanoseconds Between(WallTime from, WallTime to) {
  return std::chrono::duration_cast<nanoseconds>(to - from);
}

}  // namespace

void ClockSkew::Add(WallTime echo, nanoseconds echo_age, WallTime node_clock, WallTime now) {
  // In this order nothing below can overflow.
  if (echo > now || echo < now - kOldestEcho) return;
  if (echo_age < nanoseconds(0) || echo_age > kOldestEcho) return;
  if (node_clock < WallTime()) return;
  const nanoseconds round_trip = Between(echo, now) - echo_age;
  if (round_trip < nanoseconds(0)) return;
  // The middle of the node's stay is compared with the middle of the whole way.
  const nanoseconds ahead = Between(now, node_clock);
  const Sample sample{round_trip, ahead + round_trip / 2};
  if (!samples_.empty()) {
    const Sample& best = Best();
    // Halves, so that clocks which are ages apart do not overflow.
    const nanoseconds half_apart = std::chrono::abs(sample.skew / 2 - best.skew / 2);
    if (half_apart > (sample.round_trip + best.round_trip) / 4 + kDrift / 2) samples_.clear();
  }
  samples_.push_back(sample);
  if (samples_.size() > kSamples) samples_.pop_front();
}

const ClockSkew::Sample& ClockSkew::Best() const {
  return *std::min_element(samples_.begin(), samples_.end(), [](const Sample& a, const Sample& b) {
    return a.round_trip < b.round_trip;
  });
}

std::optional<nanoseconds> ClockSkew::skew() const {
  if (samples_.empty()) return std::nullopt;
  return Best().skew;
}

bool SkewAlarm::Judge(nanoseconds skew) {
  const nanoseconds off = std::chrono::abs(skew);
  if (off <= kRight) told_ = false;
  if (told_ || off <= kLimit) return false;
  told_ = true;
  return true;
}

}  // namespace procctl::controller
