// Measured times, all kept: there are hundreds, not millions.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <vector>

namespace procctl::bench {

class Samples {
 public:
  void Add(std::chrono::nanoseconds time) { times_.push_back(time); }
  std::size_t size() const { return times_.size(); }
  bool empty() const { return times_.empty(); }
  // In milliseconds; 0.5 is the median, 1 the worst. 0 without samples.
  double Ms(double share) const {
    if (times_.empty()) return 0;
    std::vector<std::chrono::nanoseconds> sorted = times_;
    std::sort(sorted.begin(), sorted.end());
    const auto last = static_cast<double>(sorted.size() - 1);
    const auto at = static_cast<std::size_t>(share * last + 0.5);
    return std::chrono::duration<double, std::milli>(sorted[at]).count();
  }
  std::size_t Above(std::chrono::nanoseconds limit) const {
    return static_cast<std::size_t>(
        std::count_if(times_.begin(), times_.end(), [=](auto time) { return time > limit; }));
  }

 private:
  std::vector<std::chrono::nanoseconds> times_;
};

}  // namespace procctl::bench
