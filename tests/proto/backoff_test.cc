#include "proto/support/backoff.h"

#include <gtest/gtest.h>

namespace procctl {
namespace {

using std::chrono::milliseconds;

TEST(Backoff, BoundDoublesUpToTheCap) {
  Backoff backoff(milliseconds(100), milliseconds(700));
  EXPECT_EQ(backoff.Next(0.5), milliseconds(50));
  EXPECT_EQ(backoff.Next(0.5), milliseconds(100));
  EXPECT_EQ(backoff.Next(0.5), milliseconds(200));
  EXPECT_EQ(backoff.Next(0.5), milliseconds(350));
  EXPECT_EQ(backoff.Next(0.5), milliseconds(350));
}

TEST(Backoff, DelayIsNeverOverTheCapNorNegative) {
  Backoff backoff(milliseconds(100), milliseconds(700));
  for (int i = 0; i < 200; ++i) {
    const auto delay = backoff.Next(i % 2 == 0 ? 0.0 : 0.999999);
    EXPECT_GE(delay, milliseconds(0));
    EXPECT_LE(delay, milliseconds(700));
  }
}

TEST(Backoff, FirstDelayKeepsTheCapToo) {
  Backoff backoff(milliseconds(1000), milliseconds(10));
  EXPECT_LE(backoff.Next(0.999), milliseconds(10));
}

TEST(Backoff, ResetStartsOver) {
  Backoff backoff(milliseconds(100), milliseconds(700));
  backoff.Next(0.5);
  backoff.Next(0.5);
  backoff.Reset();
  EXPECT_EQ(backoff.Next(0.5), milliseconds(50));
}

}  // namespace
}  // namespace procctl
