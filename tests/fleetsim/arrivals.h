// How a fleet arrives: how many nodes in which second, and how long until all are there. Pure.
//
// A storm lasts from the moment in which somebody is missing to the moment in which all are there.
#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <vector>

namespace procctl::fleetsim {

struct Storm {
  std::chrono::nanoseconds began{0};
  std::chrono::nanoseconds took{0};
  // Fewest that were connected meanwhile, and how many sessions began.
  std::size_t fewest = 0;
  std::size_t arrivals = 0;
  // Most arrivals within any one second (a window that slides, not one that begins on the second).
  std::size_t most_in_a_second = 0;
};

class Arrivals {
 public:
  // Times are of one clock and do not fall. The first storm begins at `start`.
  Arrivals(std::size_t nodes, std::chrono::nanoseconds start);

  // Returns the storm that this arrival ends.
  std::optional<Storm> Arrive(std::chrono::nanoseconds now);
  void Leave(std::chrono::nanoseconds now);

  std::size_t connected() const { return connected_; }
  // The storm that goes on, as far as it has come.
  std::optional<Storm> Current(std::chrono::nanoseconds now) const;

 private:
  Storm Sum(std::chrono::nanoseconds now) const;

  const std::size_t nodes_;
  std::size_t connected_ = 0;
  bool storm_ = true;
  std::chrono::nanoseconds began_;
  std::size_t fewest_ = 0;
  std::vector<std::chrono::nanoseconds> times_;
};

// Most of `times` (ascending) within a window of one second, both ends included but the last
// nanosecond.
std::size_t MostInASecond(const std::vector<std::chrono::nanoseconds>& times);

}  // namespace procctl::fleetsim
