#include "cli/time_text.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <cstdlib>
#include <ctime>

namespace procctl::cli {
namespace {

using namespace std::chrono_literals;

google::protobuf::Timestamp At(int64_t seconds) {
  google::protobuf::Timestamp time;
  time.set_seconds(seconds);
  return time;
}

google::protobuf::Duration For(int64_t seconds) {
  google::protobuf::Duration duration;
  duration.set_seconds(seconds);
  return duration;
}

TEST(TimeText, IsInTheReadersTimeZone) {
  setenv("TZ", "UTC-1", 1);  // POSIX: one hour east
  tzset();
  EXPECT_EQ(ClockText(At(1795348800)), "13:00:00");
  EXPECT_EQ(DateText(At(1795348800)), "2026-11-22T13:00:00");
  setenv("TZ", "UTC", 1);
  tzset();
}

TEST(Between, IsNeverNegative) {
  EXPECT_EQ(Between(At(10), At(15)), 5s);
  EXPECT_EQ(Between(At(15), At(10)), 0s);
  EXPECT_EQ(Between(At(INT64_MAX), At(INT64_MIN)), 0s);
  EXPECT_GT(Between(At(INT64_MIN), At(INT64_MAX)), 24h * 365 * 200);
}

TEST(SafeSum, DoesNotOverflow) {
  EXPECT_EQ(SafeSum(For(2), For(3)), 5s);
  EXPECT_GT(SafeSum(For(INT64_MAX), For(INT64_MAX)), 24h * 365 * 200);
  EXPECT_LT(SafeSum(For(INT64_MIN), For(INT64_MIN)), -24h * 365 * 200);
}

}  // namespace
}  // namespace procctl::cli
