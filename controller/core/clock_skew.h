// How far a node's clock is ahead of the controller's, whatever the way between them takes.
//
//   controller   t1 ------------------------- t4      the controller's clock
//                  \                         /
//   node            t2 --- echo_age ------ t3         the node's clock
//
// The controller's heartbeat says t1; the node's says t1 again (echo), how long ago it came
// (echo_age) and t3. skew = ((t2 - t1) + (t3 - t4)) / 2, wrong by half of the round trip at most.
// So the sample with the smallest round trip of the latest kSamples counts. One that contradicts
// it by more than both can be wrong means that a clock was set: what was before is dropped.
//
// Pure; one for each session.
#pragma once

#include <chrono>
#include <cstddef>
#include <deque>
#include <optional>

#include "controller/core/mono_time.h"

namespace procctl::controller {

class ClockSkew {
 public:
  static constexpr std::size_t kSamples = 8;

  // A node's heartbeat that came at `now`. What cannot be (an echo of what was never sent, a round
  // trip of less than nothing) is left out: nodes may say anything.
  void Add(WallTime echo, std::chrono::nanoseconds echo_age, WallTime node_clock, WallTime now);

  // Empty until there was one.
  std::optional<std::chrono::nanoseconds> skew() const;

 private:
  struct Sample {
    std::chrono::nanoseconds round_trip;
    std::chrono::nanoseconds skew;
  };
  const Sample& Best() const;

  std::deque<Sample> samples_;
};

// When people are told of a skew: once, until it was right again.
class SkewAlarm {
 public:
  static constexpr std::chrono::seconds kLimit{5};
  // Apart from kLimit, so that a clock that stands at it is told of once.
  static constexpr std::chrono::seconds kRight{4};

  // True: tell now.
  bool Judge(std::chrono::nanoseconds skew);

 private:
  bool told_ = false;
};

}  // namespace procctl::controller
