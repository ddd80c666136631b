#include "node/core/lag_log.h"

#include <gtest/gtest.h>

namespace procctl::node {
namespace {

using namespace std::chrono_literals;

TEST(LagLog, RemembersTheWorstOfTheLastMinuteAndOfAllTime) {
  LagLog log;
  MonoTime now{1h};
  log.Note(50ms, now);
  log.Note(1ms, now + 1s);
  EXPECT_EQ(log.last(), 1ms);
  EXPECT_EQ(log.worst_of_minute(), 50ms);
  log.Note(2ms, now + 61s);
  EXPECT_EQ(log.worst_of_minute(), 50ms) << "the minute before still counts";
  log.Note(3ms, now + 122s);
  EXPECT_EQ(log.worst_of_minute(), 3ms);
  EXPECT_EQ(log.worst(), 50ms);
}

TEST(LagLog, WhatWasBeforeALongGapSaysNothingAboutTheLastMinute) {
  LagLog log;
  log.Note(50ms, MonoTime(1h));
  log.Note(1ms, MonoTime(2h));
  EXPECT_EQ(log.worst_of_minute(), 1ms);
}

}  // namespace
}  // namespace procctl::node
