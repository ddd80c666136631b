#include "node/logger/lost_tally.h"

#include <algorithm>
#include <utility>

namespace procctl::logger {

void LostTally::Add(const std::string& label, int64_t bytes, const std::string& why) {
  Sum& sum = sums_[label];
  sum.bytes += bytes;
  sum.why = why;
}

std::vector<LostTally::Report> LostTally::TakeDue(node::MonoTime now) {
  std::vector<Report> reports;
  for (auto it = sums_.begin(); it != sums_.end();) {
    Sum& sum = it->second;
    if (now < sum.not_before) {
      ++it;
    } else if (sum.bytes == 0) {
      it = sums_.erase(it);
    } else {
      reports.push_back({it->first, std::exchange(sum.bytes, 0), sum.why});
      sum.not_before = now + kEvery;
      ++it;
    }
  }
  return reports;
}

std::optional<node::MonoTime> LostTally::due_at() const {
  std::optional<node::MonoTime> due;
  for (const auto& [label, sum] : sums_) {
    if (sum.bytes > 0) due = due ? std::min(*due, sum.not_before) : sum.not_before;
  }
  return due;
}

}  // namespace procctl::logger
