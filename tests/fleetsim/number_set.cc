#include "tests/fleetsim/number_set.h"

#include <algorithm>
#include <iterator>

namespace procctl::fleetsim {

bool NumberSet::Add(std::int64_t first, std::int64_t last) {
  bool fresh = true;
  auto it = ranges_.upper_bound(first);
  if (it != ranges_.begin() && std::prev(it)->second >= first - 1) --it;
  while (it != ranges_.end() && it->first <= last + 1) {
    // Neighbours that only touch are joined, and have nothing in common.
    if (it->first <= last && it->second >= first) fresh = false;
    first = std::min(first, it->first);
    last = std::max(last, it->second);
    it = ranges_.erase(it);
  }
  ranges_[first] = last;
  return fresh;
}

void NumberSet::AddAll(const NumberSet& other) {
  for (const auto& [first, last] : other.ranges_) (void)Add(first, last);
}

bool NumberSet::Contains(std::int64_t number) const {
  const auto it = ranges_.upper_bound(number);
  return it != ranges_.begin() && std::prev(it)->second >= number;
}

std::vector<NumberSet::Range> NumberSet::Missing(std::int64_t first, std::int64_t last) const {
  std::vector<Range> missing;
  for (const auto& [begin, end] : ranges_) {
    if (end < first) continue;
    if (begin > last) break;
    if (begin > first) missing.emplace_back(first, begin - 1);
    first = end + 1;
  }
  if (first <= last) missing.emplace_back(first, last);
  return missing;
}

}  // namespace procctl::fleetsim
