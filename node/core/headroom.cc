#include "node/core/headroom.h"

#include <algorithm>

#include "proto/support/time_convert.h"

namespace procctl::node {
namespace {

// Documented in evidence.proto.
constexpr int64_t kEnough = 100;
constexpr int64_t kSuggested = 3;

}  // namespace

v1::Headroom HeadroomOf(const HeartCell& cell, const HeartHistory& history, Nanos interval,
                        Nanos floor) {
  v1::Headroom headroom;
  std::array<int64_t, HeartHistory::kColumns> counts{};
  int64_t total = 0;
  for (size_t i = 0; i < counts.size(); ++i) {
    counts[i] = history.gaps[i] + (i == 0 ? int64_t{cell.steady} : 0);
    total += counts[i];
  }
  size_t last = 0;
  for (size_t i = 0; i < counts.size(); ++i) {
    if (counts[i] != 0) last = i;
  }
  for (size_t i = 0; i <= last; ++i) {
    headroom.add_gaps(counts[i]);
    if (i + 1 < counts.size()) *headroom.add_limits() = ToProto(interval * (int64_t{1} << i));
  }
  const Nanos worst = std::max(Nanos(history.worst_gap), cell.steady > 0 ? interval : Nanos(0));
  *headroom.mutable_worst() = ToProto(worst);
  headroom.set_near_misses(history.near_misses);
  if (total < kEnough) return headroom;
  // The column in which 99.9 % of the gaps end; its upper limit, or the worst gap where that is
  // less.
  int64_t below = 0;
  size_t column = 0;
  for (; column < counts.size(); ++column) {
    below += counts[column];
    if (below * 1000 >= total * 999) break;
  }
  const Nanos gap = std::min(worst, interval * (int64_t{1} << column));
  const Nanos tenth = std::chrono::milliseconds(100);
  const Nanos raw = std::max(gap * kSuggested, floor);
  *headroom.mutable_suggested_timeout() = ToProto((raw + tenth - Nanos(1)) / tenth * tenth);
  return headroom;
}

}  // namespace procctl::node
