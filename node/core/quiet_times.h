// The times in which a program is left in peace. Pure: wall time comes in.
#pragma once

#include <optional>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "node/core/cron_times.h"
#include "node/core/mono_time.h"

namespace procctl::node {

// From each due time of `from`, that instant included, until `last` later in real time, that one
// excluded. What clocks do within a window changes nothing of its length.
struct QuietWindow {
  CronTimes from;
  Nanos last{0};
};

class QuietTimes {
 public:
  QuietTimes() = default;
  explicit QuietTimes(std::vector<QuietWindow> windows) : windows_(std::move(windows)) {}

  bool empty() const { return windows_.empty(); }

  // Whether `t` is in a window, and when that ends: windows that overlap or follow each other
  // without a gap are one. nullopt: it is not. Of more than kMostJoined in a row it is the end of
  // those that were joined; who asks again then is answered with the rest. Depends on nothing but
  // `t`, so that a clock that is set anyhow changes nothing.
  std::optional<absl::Time> EndAfter(absl::Time t) const;
  static constexpr int kMostJoined = 1500;

  // They follow each other without a gap for more than a year, or so densely that nobody would
  // wait for it. Looks at the first ones from 2024 on.
  bool NeverEnd() const;

  // When the next window begins, if `t` is in none; else the first `from` after it.
  // InfiniteFuture: there is none.
  absl::Time NextFrom(absl::Time t) const;

 private:
  std::vector<QuietWindow> windows_;
};

// What of QuietTimes holds for the time that goes by: nearly always one comparison.
class QuietNow {
 public:
  explicit QuietNow(QuietTimes times) : times_(std::move(times)) {}

  // QuietTimes::EndAfter(now).
  std::optional<absl::Time> EndAfter(absl::Time now);

 private:
  QuietTimes times_;
  // end_ is the answer in [since_, until_).
  absl::Time since_ = absl::InfiniteFuture();
  absl::Time until_ = absl::InfinitePast();
  std::optional<absl::Time> end_;
};

}  // namespace procctl::node
