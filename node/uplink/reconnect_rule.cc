#include "node/uplink/reconnect_rule.h"

#include <algorithm>

#include "proto/support/time_convert.h"

namespace procctl::uplink {
namespace {

using std::chrono::milliseconds;

// Beyond a drain's delay, which is each node's own already: enough that two of one moment part.
constexpr milliseconds kLeastDrainJitter{500};

milliseconds Part(milliseconds whole, double unit) {
  return milliseconds(static_cast<milliseconds::rep>(static_cast<double>(whole.count()) * unit));
}

}  // namespace

milliseconds ReconnectWithin(const google::protobuf::Duration* within) {
  if (within == nullptr) return kDefaultReconnectWithin;
  const std::chrono::nanoseconds given = FromProto(*within);
  if (given < std::chrono::nanoseconds(0)) return kDefaultReconnectWithin;
  return std::chrono::duration_cast<milliseconds>(
      std::min<std::chrono::nanoseconds>(given, kMaxReconnectWithin));
}

bool NeedsAPerson(const absl::Status& end) {
  return absl::IsPermissionDenied(end) || absl::IsUnauthenticated(end) ||
         absl::IsFailedPrecondition(end);
}

milliseconds ReconnectRule::DelayAfter(const Tried& tried, double unit) {
  const bool welcomed = tried.lasted > std::chrono::nanoseconds(0);
  if (tried.drained.has_value() || tried.lasted >= kHealthySession) {
    // Of those whose first wait was too short the next one is twice as long: with the same again
    // they would fall together with those that still wait for the first time.
    backoff_ = Backoff(2 * std::max<milliseconds>(tried.within, kFirstBackoff), kMaxReconnect);
  }
  if (tried.drained.has_value()) {
    const auto delay =
        std::chrono::duration_cast<milliseconds>(std::clamp<std::chrono::nanoseconds>(
            *tried.drained, std::chrono::nanoseconds(0), kMaxDrain));
    return delay + Part(std::max(kLeastDrainJitter, delay / 10), unit);
  }
  if (NeedsAPerson(tried.end)) return kMaxReconnect / 2 + Part(kMaxReconnect / 2, unit);
  if (tried.lasted >= kHealthySession) return Part(tried.within, unit);
  // A controller that welcomes and fails at once is spared as one that does not answer.
  const milliseconds delay = backoff_.Next(unit);
  return welcomed ? std::max(delay, Part(tried.within, unit)) : delay;
}

}  // namespace procctl::uplink
