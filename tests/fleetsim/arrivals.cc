#include "tests/fleetsim/arrivals.h"

#include <algorithm>

namespace procctl::fleetsim {

Arrivals::Arrivals(std::size_t nodes, std::chrono::nanoseconds start)
    : nodes_(nodes), began_(start) {}

std::optional<Storm> Arrivals::Arrive(std::chrono::nanoseconds now) {
  ++connected_;
  if (!storm_) return std::nullopt;
  times_.push_back(now);
  if (connected_ < nodes_) return std::nullopt;
  storm_ = false;
  const Storm over = Sum(now);
  times_.clear();
  return over;
}

void Arrivals::Leave(std::chrono::nanoseconds now) {
  --connected_;
  if (!storm_) {
    storm_ = true;
    began_ = now;
    fewest_ = connected_;
  }
  fewest_ = std::min(fewest_, connected_);
}

std::optional<Storm> Arrivals::Current(std::chrono::nanoseconds now) const {
  if (!storm_) return std::nullopt;
  return Sum(now);
}

Storm Arrivals::Sum(std::chrono::nanoseconds now) const {
  return {began_, now - began_, fewest_, times_.size(), MostInASecond(times_)};
}

std::size_t MostInASecond(const std::vector<std::chrono::nanoseconds>& times) {
  std::size_t most = 0;
  std::size_t first = 0;
  for (std::size_t last = 0; last < times.size(); ++last) {
    while (times[last] - times[first] >= std::chrono::seconds(1)) ++first;
    most = std::max(most, last - first + 1);
  }
  return most;
}

}  // namespace procctl::fleetsim
