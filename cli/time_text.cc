#include "cli/time_text.h"

#include <cstdint>
#include <ctime>

#include "proto/support/time_convert.h"
#include "spdlog/fmt/chrono.h"
#include "spdlog/fmt/fmt.h"

namespace procctl::cli {
namespace {

constexpr int64_t kMost = INT64_MAX;

std::tm Local(const google::protobuf::Timestamp& time) {
  // FromProto keeps it within what a calendar can show.
  const std::time_t seconds = std::chrono::system_clock::to_time_t(FromProto(time));
  std::tm fields{};
  localtime_r(&seconds, &fields);
  return fields;
}

}  // namespace

std::string ClockText(const google::protobuf::Timestamp& time) {
  return fmt::format("{:%H:%M:%S}", Local(time));
}

std::string DateText(const google::protobuf::Timestamp& time) {
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}", Local(time));
}

std::chrono::nanoseconds SafeSum(const google::protobuf::Duration& a,
                                 const google::protobuf::Duration& b) {
  int64_t sum = 0;
  if (__builtin_add_overflow(FromProto(a).count(), FromProto(b).count(), &sum)) {
    return std::chrono::nanoseconds(FromProto(a).count() < 0 ? -kMost : kMost);
  }
  return std::chrono::nanoseconds(sum);
}

std::chrono::nanoseconds Between(const google::protobuf::Timestamp& start,
                                 const google::protobuf::Timestamp& end) {
  int64_t difference = 0;
  const int64_t from = FromProto(start).time_since_epoch().count();
  const int64_t to = FromProto(end).time_since_epoch().count();
  if (__builtin_sub_overflow(to, from, &difference)) {
    return std::chrono::nanoseconds(to < from ? 0 : kMost);
  }
  return std::chrono::nanoseconds(difference < 0 ? 0 : difference);
}

}  // namespace procctl::cli
