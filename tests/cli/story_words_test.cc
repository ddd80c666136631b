#include "cli/story_words.h"

#include <gtest/gtest.h>

#include "proto/support/time_convert.h"

namespace procctl::cli {
namespace {

using namespace std::chrono_literals;

TEST(ExactText, DoesNotRoundALimitAway) {
  EXPECT_EQ(ExactText(5041ms), "5.041s");
  EXPECT_EQ(ExactText(5s), "5s");
  EXPECT_EQ(ExactText(5100ms), "5.1s");
  EXPECT_EQ(ExactText(60040ms), "60.04s");
  EXPECT_EQ(ExactText(60s), "1m");
  EXPECT_EQ(ExactText(12ms), "12ms");
  EXPECT_EQ(ExactText(0s), "0s");
  EXPECT_EQ(ExactText(599'999ms), "599.999s");
  EXPECT_EQ(ExactText(600'100ms), "10m");
}

TEST(Quote, CannotBeEndedFromInside) {
  EXPECT_EQ(Quote("a\"b"), "\"a'b\"");
  EXPECT_EQ(Quote("\x1b\n"), "\"\\x1b\\x0a\"");
  EXPECT_EQ(Quote(""), "\"\"");
}

TEST(BytesText, IsShort) {
  EXPECT_EQ(BytesText(0), "0 bytes");
  EXPECT_EQ(BytesText(1023), "1023 bytes");
  EXPECT_EQ(BytesText(1024), "1 KiB");
  EXPECT_EQ(BytesText(126353408), "120.5 MiB");
  EXPECT_EQ(BytesText(INT64_MAX), "8 EiB");
}

TEST(JoinWords, ReadsAsASentence) {
  EXPECT_EQ(JoinWords({}), "");
  EXPECT_EQ(JoinWords({"a"}), "a");
  EXPECT_EQ(JoinWords({"a", "b"}), "a and b");
  EXPECT_EQ(JoinWords({"a", "b", "c"}), "a, b and c");
}

v1::Event At(std::chrono::milliseconds wall, std::chrono::milliseconds boot) {
  v1::Event event;
  event.set_boot_id("b");
  *event.mutable_at() = ToProto(std::chrono::system_clock::time_point(wall));
  *event.mutable_since_boot() = ToProto(std::chrono::nanoseconds(boot));
  return event;
}

// The wall clock may be set in the middle of a kill.
TEST(Apart, GoesByTheTimeSinceBoot) {
  EXPECT_EQ(Apart(At(10s, 100s), At(3s, 105002ms)), 5002ms);
  v1::Event other_boot = At(12s, 1s);
  other_boot.set_boot_id("c");
  EXPECT_EQ(Apart(At(10s, 100s), other_boot), 2s);
  EXPECT_EQ(Apart(At(10s, 100s), At(10s, 99s)), 0s);
}

TEST(Apart, AbsurdTimesDoNoHarm) {
  v1::Event from = At(0s, 0s);
  from.mutable_since_boot()->set_seconds(INT64_MIN);
  from.mutable_since_boot()->set_nanos(INT32_MIN);
  v1::Event to = At(0s, 0s);
  to.mutable_since_boot()->set_seconds(INT64_MAX);
  EXPECT_GT(Apart(from, to), 0s);
  EXPECT_EQ(Apart(to, from), 0s);
}

}  // namespace
}  // namespace procctl::cli
