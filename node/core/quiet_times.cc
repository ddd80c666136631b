#include "node/core/quiet_times.h"

#include <algorithm>

#include "absl/time/civil_time.h"

namespace procctl::node {

std::optional<absl::Time> QuietTimes::EndAfter(absl::Time t) const {
  absl::Time end = t;
  int joined = 0;
  // Each turn goes on from the end of what was found: whatever begins until then belongs to it.
  for (bool longer = true; longer;) {
    longer = false;
    for (const QuietWindow& window : windows_) {
      const absl::Duration last = absl::FromChrono(window.last);
      const std::optional<absl::Time> from = window.from.LastIn(end - last, end);
      if (!from) continue;
      end = *from + last;
      longer = true;
      if (++joined == kMostJoined) return end;
    }
  }
  return joined > 0 ? std::optional(end) : std::nullopt;
}

bool QuietTimes::NeverEnd() const {
  static const absl::Time kSome =
      absl::FromCivil(absl::CivilSecond(2024, 1, 1), absl::UTCTimeZone());
  // Together with kMostJoined: six weeks of windows that each last a minute.
  constexpr int kMostAsked = 40;
  const absl::Time first = NextFrom(kSome);
  std::optional<absl::Time> end = EndAfter(first);
  for (int i = 0; i < kMostAsked && end && *end - first < absl::Hours(24 * 366); ++i)
    end = EndAfter(*end);
  return end.has_value();
}

absl::Time QuietTimes::NextFrom(absl::Time t) const {
  absl::Time next = absl::InfiniteFuture();
  for (const QuietWindow& window : windows_) next = std::min(next, window.from.NextAfter(t));
  return next;
}

std::optional<absl::Time> QuietNow::EndAfter(absl::Time now) {
  if (times_.empty()) return std::nullopt;
  // A clock that was set back asks anew.
  if (now < since_ || now >= until_) {
    end_ = times_.EndAfter(now);
    since_ = now;
    until_ = end_ ? *end_ : times_.NextFrom(now);
  }
  return end_;
}

}  // namespace procctl::node
