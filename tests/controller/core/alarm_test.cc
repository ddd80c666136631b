#include "controller/core/alarm.h"

#include <gtest/gtest.h>

namespace procctl::controller {
namespace {

using std::chrono::nanoseconds;
using std::chrono::seconds;

class AlarmTest : public ::testing::Test {
 protected:
  MonoTime now_{seconds(100)};
  Alarm alarm_;
};

TEST_F(AlarmTest, IsToldAtOnceAndThenOnceAMinute) {
  EXPECT_TRUE(alarm_.Raise("full", now_));
  EXPECT_FALSE(alarm_.Raise("full", now_));
  EXPECT_FALSE(alarm_.Raise("full", now_ + Alarm::kAgainAfter - nanoseconds(1)));
  EXPECT_TRUE(alarm_.Raise("full", now_ + Alarm::kAgainAfter));
  EXPECT_FALSE(alarm_.Raise("full", now_ + Alarm::kAgainAfter + seconds(1)));
}

TEST_F(AlarmTest, ItsEndSaysHowLongItLastedAndTheLatestReason) {
  EXPECT_FALSE(alarm_.Clear(now_).has_value()) << "never raised";
  (void)alarm_.Raise("full", now_);
  (void)alarm_.Raise("failing", now_ + seconds(3));
  EXPECT_TRUE(alarm_.raised());
  EXPECT_EQ(alarm_.reason(), "failing");
  const auto over = alarm_.Clear(now_ + seconds(70));
  ASSERT_TRUE(over.has_value());
  EXPECT_EQ(over->lasted, seconds(70));
  EXPECT_EQ(over->reason, "failing");
  EXPECT_FALSE(alarm_.raised());
  EXPECT_FALSE(alarm_.Clear(now_ + seconds(71)).has_value()) << "told once";
}

TEST_F(AlarmTest, ANewOneIsToldAtOnceHoweverSoonAfterTheLast) {
  (void)alarm_.Raise("full", now_);
  (void)alarm_.Clear(now_ + seconds(1));
  EXPECT_TRUE(alarm_.Raise("full", now_ + seconds(2)));
  EXPECT_EQ(alarm_.Clear(now_ + seconds(5))->lasted, seconds(3));
}

}  // namespace
}  // namespace procctl::controller
