#include "controller/core/event_gap.h"

#include <gtest/gtest.h>

namespace procctl::controller {
namespace {

TEST(EventGap, WhatIsRecordedSaysWhichNumbersOfWhichEpochOfWhichNode) {
  const EventGap gap{"web-01", 1'790'000'000'000, 4, 10};
  const v1::Event event = MakeGap(gap, WallTime(std::chrono::seconds(5)));
  EXPECT_EQ(event.kind(), v1::EVENT_KIND_GAP);
  EXPECT_EQ(event.severity(), v1::SEVERITY_ALARM);
  EXPECT_EQ(event.at().seconds(), 5);
  EXPECT_NE(event.message().find("events 4 to 10 of epoch 1790000000000 of node web-01"),
            std::string::npos)
      << event.message();
  EXPECT_EQ(GapOf(event), gap);
}

TEST(EventGap, NothingElseIsTakenForOne) {
  v1::Event event = MakeGap({"a", 7, 1, 2}, WallTime());
  event.set_kind(v1::EVENT_KIND_EVENTS_LOST);
  EXPECT_EQ(GapOf(event), std::nullopt);
  event.set_kind(v1::EVENT_KIND_GAP);
  EXPECT_TRUE(GapOf(event).has_value());
  event.mutable_lost()->clear_epoch();
  EXPECT_EQ(GapOf(event), std::nullopt) << "of no epoch";
  event.clear_lost();
  EXPECT_EQ(GapOf(event), std::nullopt);
}

}  // namespace
}  // namespace procctl::controller
