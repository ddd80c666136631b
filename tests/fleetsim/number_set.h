// A set of numbers kept as ranges: events are numbered without gaps, so there are few. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <utility>
#include <vector>

namespace procctl::fleetsim {

class NumberSet {
 public:
  using Range = std::pair<std::int64_t, std::int64_t>;  // both included

  // False if some of them were in it already; they are in it afterwards either way.
  bool Add(std::int64_t first, std::int64_t last);
  void AddAll(const NumberSet& other);

  bool Contains(std::int64_t number) const;
  // 0 if it is empty.
  std::int64_t Greatest() const { return ranges_.empty() ? 0 : ranges_.rbegin()->second; }
  // What is missing between `first` and `last`.
  std::vector<Range> Missing(std::int64_t first, std::int64_t last) const;
  std::vector<Range> Ranges() const { return {ranges_.begin(), ranges_.end()}; }

 private:
  // From first to last; never touching each other.
  std::map<std::int64_t, std::int64_t> ranges_;
};

}  // namespace procctl::fleetsim
