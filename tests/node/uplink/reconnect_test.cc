// When a node comes back, and when ten thousand do that lost their controller at once.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <random>
#include <vector>

#include "node/uplink/reconnect_rule.h"

namespace procctl::uplink {
namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;
using std::chrono::seconds;

constexpr double kAlmostOne = 0.999999;

ReconnectRule::Tried Failed(absl::Status end = absl::UnavailableError("gone")) {
  return {.end = std::move(end)};
}

ReconnectRule::Tried Ended(nanoseconds lasted, milliseconds within) {
  return {.end = absl::AbortedError("superseded"), .lasted = lasted, .within = within};
}

TEST(ReconnectRule, AfterASessionItIsWhatTheControllerAskedFor) {
  ReconnectRule rule;
  const ReconnectRule::Tried ended = Ended(kHealthySession, seconds(30));
  EXPECT_EQ(rule.DelayAfter(ended, 0.0), milliseconds(0));
  EXPECT_EQ(rule.DelayAfter(ended, 0.5), seconds(15));
  EXPECT_LE(rule.DelayAfter(ended, kAlmostOne), seconds(30));
}

TEST(ReconnectRule, TriesThatFailDoubleTheBoundFromThereUpToTheMost) {
  ReconnectRule rule;
  (void)rule.DelayAfter(Ended(kHealthySession, seconds(4)), 0.5);
  for (const seconds bound : {seconds(8), seconds(16), seconds(32), seconds(45)}) {
    const milliseconds delay = rule.DelayAfter(Failed(), kAlmostOne);
    EXPECT_LE(delay, bound);
    EXPECT_GT(delay, bound - milliseconds(10));
  }
  EXPECT_EQ(rule.DelayAfter(Failed(), 0.0), milliseconds(0));
}

TEST(ReconnectRule, ANodeThatWasNeverWelcomedBeginsWithASecond) {
  ReconnectRule rule;
  EXPECT_LE(rule.DelayAfter(Failed(), kAlmostOne), seconds(1));
  EXPECT_GT(rule.DelayAfter(Failed(), kAlmostOne), milliseconds(1'900));
}

TEST(ReconnectRule, OnlyASessionOfTenSecondsStartsAfresh) {
  ReconnectRule rule;
  for (int i = 0; i < 20; ++i) (void)rule.DelayAfter(Failed(), kAlmostOne);
  EXPECT_GT(rule.DelayAfter(Ended(kHealthySession - nanoseconds(1), seconds(1)), kAlmostOne),
            seconds(44));
  EXPECT_LE(rule.DelayAfter(Ended(kHealthySession, seconds(1)), kAlmostOne), seconds(1));
  EXPECT_LE(rule.DelayAfter(Failed(), kAlmostOne), seconds(2));
}

TEST(ReconnectRule, AShortSessionIsNoShorterWaitThanTheControllerAskedFor) {
  ReconnectRule rule;
  EXPECT_EQ(rule.DelayAfter(Ended(nanoseconds(1), seconds(30)), 0.5), seconds(15));
}

TEST(ReconnectRule, ADrainedNodeComesBackAfterItsDelayAndALittle) {
  ReconnectRule rule;
  ReconnectRule::Tried drained = Ended(nanoseconds(1), seconds(30));
  drained.drained = seconds(20);
  EXPECT_EQ(rule.DelayAfter(drained, 0.0), seconds(20));
  EXPECT_GT(rule.DelayAfter(drained, kAlmostOne), milliseconds(21'900));
  EXPECT_LE(rule.DelayAfter(drained, kAlmostOne), seconds(22));
  drained.drained = seconds(0);
  EXPECT_LE(rule.DelayAfter(drained, kAlmostOne), milliseconds(500));
  EXPECT_GT(rule.DelayAfter(drained, kAlmostOne), milliseconds(400));
  drained.drained = std::chrono::hours(24);
  EXPECT_EQ(rule.DelayAfter(drained, 0.0), kMaxDrain);
  drained.drained = seconds(-1);
  EXPECT_EQ(rule.DelayAfter(drained, 0.0), milliseconds(0));
}

TEST(ReconnectRule, WhatAPersonMustMendIsTriedSeldom) {
  for (const absl::Status& status :
       {absl::PermissionDeniedError("x"), absl::UnauthenticatedError("x"),
        absl::FailedPreconditionError("x")}) {
    ReconnectRule rule;
    EXPECT_GE(rule.DelayAfter(Failed(status), 0.0), seconds(22));
    EXPECT_LE(rule.DelayAfter(Failed(status), kAlmostOne), seconds(45));
  }
}

TEST(ReconnectRule, TheControllersWordIsBounded) {
  google::protobuf::Duration within;
  EXPECT_EQ(ReconnectWithin(nullptr), seconds(5));
  EXPECT_EQ(ReconnectWithin(&within), milliseconds(0));
  within.set_seconds(30);
  EXPECT_EQ(ReconnectWithin(&within), seconds(30));
  within.set_seconds(61);
  EXPECT_EQ(ReconnectWithin(&within), seconds(60));
  within.set_seconds(-1);
  EXPECT_EQ(ReconnectWithin(&within), seconds(5));
}

// ---- A fleet

constexpr int kNodes = 10'000;
constexpr std::uint64_t kSeed = 20'260'801;

struct Storm {
  // After the loss.
  milliseconds first{0};
  milliseconds last{0};
  // Most arrivals in any second, wherever it begins.
  int most_per_second = 0;
};

// The controller's end is seen by all at zero; it takes sessions again after `dead`. A try before
// that fails after `refusal`.
Storm Simulate(milliseconds within, milliseconds dead, milliseconds refusal, bool jitter = true) {
  std::mt19937_64 random(kSeed);
  std::uniform_real_distribution<double> unit(0, 1);
  std::vector<milliseconds> arrivals;
  Storm storm;
  for (int node = 0; node < kNodes; ++node) {
    ReconnectRule rule;
    ReconnectRule::Tried tried{absl::UnavailableError("gone"), std::chrono::hours(1), within, {}};
    milliseconds now{0};
    for (;;) {
      now += rule.DelayAfter(tried, jitter ? unit(random) : 0.5);
      if (now >= dead) break;
      now += refusal;
      tried.lasted = nanoseconds(0);
      tried.within = kDefaultReconnectWithin;
    }
    arrivals.push_back(now);
  }
  std::sort(arrivals.begin(), arrivals.end());
  storm.first = arrivals.front();
  storm.last = arrivals.back();
  std::size_t from = 0;
  for (std::size_t to = 0; to < arrivals.size(); ++to) {
    while (arrivals[to] - arrivals[from] >= seconds(1)) ++from;
    storm.most_per_second = std::max(storm.most_per_second, static_cast<int>(to - from + 1));
  }
  return storm;
}

class ReconnectStorm : public testing::TestWithParam<seconds> {};

TEST_P(ReconnectStorm, NoSecondTakesATenthAndAllAreBackWithinTwoMinutesOfAnyOutageUpToAMinute) {
  for (const milliseconds refusal : {milliseconds(0), milliseconds(2'000)}) {
    for (seconds dead{0}; dead <= seconds(60); dead += seconds(1)) {
      const Storm storm = Simulate(GetParam(), dead, refusal);
      EXPECT_GE(storm.first, dead);
      EXPECT_LE(storm.most_per_second, kNodes / 10) << dead.count() << " s";
      EXPECT_LE(storm.last, seconds(120)) << dead.count() << " s";
      if (dead != seconds(2) && dead != seconds(10) && dead != seconds(45)) continue;
      std::printf("within %2d s, away %2d s: at most %4d in a second, last after %5.1f s\n",
                  static_cast<int>(GetParam().count()), static_cast<int>(dead.count()),
                  storm.most_per_second, static_cast<double>(storm.last.count()) / 1e3);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Within, ReconnectStorm,
                         testing::Values(seconds(20), seconds(30), seconds(60)));

// What the figures above are due to.
TEST(ReconnectStormOracle, WithoutJitterTheWholeFleetComesInOneSecond) {
  EXPECT_EQ(Simulate(seconds(30), seconds(10), milliseconds(0), false).most_per_second, kNodes);
}

}  // namespace
}  // namespace procctl::uplink
