#include "proto/support/slot_silence.h"

#include <algorithm>

namespace procctl {

NumberRange KnownSilence(v1::SlotState state, std::chrono::nanoseconds timeout,
                         std::chrono::nanoseconds silence, std::chrono::nanoseconds reported) {
  if (timeout <= std::chrono::nanoseconds(0)) return {};
  switch (state) {
    case v1::SLOT_STATE_ALIVE:
      return {0, (timeout / 2).count()};
    case v1::SLOT_STATE_QUIET:
    case v1::SLOT_STATE_HUNG:
    case v1::SLOT_STATE_TERM_SENT:
    case v1::SLOT_STATE_KILL_SENT:
    case v1::SLOT_STATE_UNKILLABLE:
    case v1::SLOT_STATE_HELD: {
      const auto before = std::max(silence, std::chrono::nanoseconds(0));
      const auto since = std::max(reported, std::chrono::nanoseconds(0));
      // Both may be foreign, and as long as nanoseconds can be.
      return std::chrono::nanoseconds::max() - before < since
                 ? std::chrono::nanoseconds::max().count()
                 : (before + since).count();
    }
    default:
      return {};
  }
}

}  // namespace procctl
