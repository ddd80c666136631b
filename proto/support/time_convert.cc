#include "proto/support/time_convert.h"

#include <algorithm>
#include <cstdint>

namespace procctl {
namespace {

constexpr int64_t kBillion = 1'000'000'000;
// One less than what fits, so that adding the nanoseconds cannot overflow.
constexpr int64_t kMostSeconds = INT64_MAX / kBillion - 1;

template <typename Message>
Message Split(int64_t nanoseconds, bool floor) {
  Message message;
  int64_t seconds = nanoseconds / kBillion;
  int64_t rest = nanoseconds % kBillion;
  if (floor && rest < 0) --seconds, rest += kBillion;
  message.set_seconds(seconds);
  message.set_nanos(static_cast<int32_t>(rest));
  return message;
}

int64_t Join(int64_t seconds, int32_t nanos) {
  return std::clamp(seconds, -kMostSeconds, kMostSeconds) * kBillion +
         std::clamp<int64_t>(nanos, -kBillion + 1, kBillion - 1);
}

}  // namespace

google::protobuf::Duration ToProto(std::chrono::nanoseconds duration) {
  return Split<google::protobuf::Duration>(duration.count(), /*floor=*/false);
}

google::protobuf::Timestamp ToProto(std::chrono::system_clock::time_point time) {
  const auto ns = std::chrono::duration_cast<std::chrono::nanoseconds>(time.time_since_epoch());
  return Split<google::protobuf::Timestamp>(ns.count(), /*floor=*/true);
}

std::chrono::nanoseconds FromProto(const google::protobuf::Duration& duration) {
  return std::chrono::nanoseconds(Join(duration.seconds(), duration.nanos()));
}

std::chrono::system_clock::time_point FromProto(const google::protobuf::Timestamp& time) {
  return std::chrono::system_clock::time_point(
      std::chrono::duration_cast<std::chrono::system_clock::duration>(
          std::chrono::nanoseconds(Join(time.seconds(), time.nanos()))));
}

}  // namespace procctl
