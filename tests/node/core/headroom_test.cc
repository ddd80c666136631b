#include "node/core/headroom.h"

#include <gtest/gtest.h>

#include "proto/support/time_convert.h"
#include "tests/node/core/fake_host.h"

namespace procctl::node {
namespace {

TEST(Headroom, SaysNothingBeforeAHundredGaps) {
  HeartCell cell;
  HeartHistory history;
  cell.steady = 99;
  EXPECT_FALSE(HeadroomOf(cell, history, 100ms, 500ms).has_suggested_timeout());
  cell.steady = 100;
  EXPECT_TRUE(HeadroomOf(cell, history, 100ms, 500ms).has_suggested_timeout());
}

TEST(Headroom, SuggestsThreeTimesTheGapThatNearlyAllStayBelow) {
  HeartCell cell;
  HeartHistory history;
  cell.steady = 10;
  history.gaps[3] = 989;  // over 400 ms, at most 800 ms
  history.gaps[7] = 1;    // one in a thousand: over 6.4 s
  history.worst_gap = Nanos(7s).count();
  const v1::Headroom headroom = HeadroomOf(cell, history, 100ms, 500ms);
  EXPECT_EQ(FromProto(headroom.suggested_timeout()), 2400ms);
  EXPECT_EQ(FromProto(headroom.worst()), 7s);
  ASSERT_EQ(headroom.gaps_size(), 8);
  EXPECT_EQ(headroom.gaps(0), 10);
  EXPECT_EQ(headroom.gaps(3), 989);
  EXPECT_EQ(FromProto(headroom.limits(3)), 800ms);
}

TEST(Headroom, NeverSuggestsLessThanTheNodeAllows) {
  HeartCell cell;
  HeartHistory history;
  cell.steady = 100'000;
  EXPECT_EQ(FromProto(HeadroomOf(cell, history, 100ms, 500ms).suggested_timeout()), 500ms);
}

TEST(Headroom, GapsAreCountedAsTheyWereSeen) {
  FakeHost host;
  host.Register(7, "h", 60s);
  for (int i = 0; i < 200; ++i) {
    host.Beat("h");
    host.Pass(1s);
  }
  host.Pass(30s);
  host.Beat("h");
  host.Pass(100ms);
  const v1::Headroom headroom = host.enforcer().DetailOf(host.slot("h")).headroom();
  ASSERT_GE(headroom.gaps_size(), 10);
  EXPECT_EQ(headroom.gaps(4), 199) << "over 0.8 s, at most 1.6 s";
  EXPECT_EQ(headroom.gaps(9), 1) << "over 25.6 s";
  EXPECT_GE(FromProto(headroom.worst()), 31s);
  EXPECT_LE(FromProto(headroom.worst()), 31200ms);
}

}  // namespace
}  // namespace procctl::node
