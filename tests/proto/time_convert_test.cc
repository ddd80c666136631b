#include "proto/support/time_convert.h"

#include <gtest/gtest.h>

#include <cstdint>

namespace procctl {
namespace {

using std::chrono::nanoseconds;
using std::chrono::system_clock;

TEST(TimeConvert, DurationsSurviveTheRoundTrip) {
  for (const int64_t ns : {int64_t{0}, int64_t{1}, int64_t{-1}, int64_t{1'500'000'000},
                           int64_t{-1'500'000'000}, int64_t{4'000'000'000'000'000'000}}) {
    EXPECT_EQ(FromProto(ToProto(nanoseconds(ns))), nanoseconds(ns)) << ns;
  }
}

TEST(TimeConvert, PartsOfADurationHaveTheSameSign) {
  const auto proto = ToProto(nanoseconds(-1'500'000'000));
  EXPECT_EQ(proto.seconds(), -1);
  EXPECT_EQ(proto.nanos(), -500'000'000);
}

// The rule of Timestamp: nanoseconds count forward even before 1970.
TEST(TimeConvert, NanosecondsOfATimestampAreNeverNegative) {
  const auto proto = ToProto(system_clock::time_point(std::chrono::milliseconds(-1500)));
  EXPECT_EQ(proto.seconds(), -2);
  EXPECT_EQ(proto.nanos(), 500'000'000);
  EXPECT_EQ(FromProto(proto), system_clock::time_point(std::chrono::milliseconds(-1500)));
}

TEST(TimeConvert, ForeignValuesAreClampedAndNeverOverflow) {
  google::protobuf::Duration duration;
  duration.set_seconds(INT64_MAX);
  duration.set_nanos(INT32_MAX);
  EXPECT_GT(FromProto(duration), std::chrono::hours(24) * 365 * 290);
  duration.set_seconds(INT64_MIN);
  duration.set_nanos(INT32_MIN);
  EXPECT_LT(FromProto(duration), -std::chrono::hours(24) * 365 * 290);
  google::protobuf::Timestamp time;
  time.set_seconds(INT64_MAX);
  time.set_nanos(INT32_MAX);
  EXPECT_GT(FromProto(time), system_clock::time_point());
}

}  // namespace
}  // namespace procctl
