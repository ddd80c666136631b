// When the guardian may scan less often: while no scan could find anything.
#include <gtest/gtest.h>
#include <signal.h>

#include "tests/node/core/fake_host.h"

namespace procctl::node {
namespace {

TEST(Rest, AnEmptyTableIsAtRest) {
  FakeHost host;
  EXPECT_TRUE(host.enforcer().AtRest());
}

TEST(Rest, OneHeartIsEnoughToScanFor) {
  FakeHost host;
  host.Register(7, "web", Nanos(0), {}, v1::DOOR_PROGRAM);
  EXPECT_TRUE(host.enforcer().AtRest()) << "it is watched for its end only";
  host.Register(8, "encoder", 5s);
  EXPECT_FALSE(host.enforcer().AtRest());
  host.End(8);
  EXPECT_TRUE(host.enforcer().AtRest());
}

TEST(Rest, NotifyDoorIsAHeartWithOrWithoutATimeout) {
  FakeHost host;
  host.Register(7, "web", Nanos(0), {}, v1::DOOR_NOTIFY);
  EXPECT_FALSE(host.enforcer().AtRest()) << "it may be starting, and may say that it failed";
}

TEST(Rest, AStopUnderWayNeedsItsScans) {
  FakeHost host;
  Slot& slot = host.Register(7, "web", Nanos(0), {}, v1::DOOR_PROGRAM);
  host.enforcer().Pace(1s);
  host.enforcer().Stop(slot, v1::CAUSE_OPERATOR, 1s, host.Order("o1"));
  EXPECT_FALSE(host.enforcer().AtRest());
  host.enforcer().Pace(FakeHost::kInterval);
  host.Pass(1200ms);
  EXPECT_EQ(host.signals(7), (std::vector<int>{SIGTERM, SIGCONT, SIGKILL}));
  host.End(7);
  EXPECT_TRUE(host.enforcer().AtRest());
}

TEST(Rest, AHoldEndsOnTime) {
  FakeHost host;
  Slot& slot = host.Register(7, "web", Nanos(0), {}, v1::DOOR_PROGRAM);
  host.enforcer().PlaceHold(slot, host.Order("h1"), 2s, {});
  EXPECT_FALSE(host.enforcer().AtRest());
  host.Pass(2100ms);
  host.The(v1::EVENT_KIND_HOLD_ENDED);
  EXPECT_TRUE(host.enforcer().AtRest());
}

TEST(Rest, WhoRegistersAfterARestHasItsWholeTimeout) {
  FakeHost host;
  host.enforcer().Pace(1s);
  host.now += 900ms;
  host.Register(7, "encoder", 500ms);
  host.enforcer().Pace(FakeHost::kInterval);
  host.Pass(500ms);
  EXPECT_TRUE(host.signals(7).empty());
  host.Pass(200ms);
  EXPECT_EQ(host.signals(7), (std::vector<int>{SIGTERM, SIGCONT}));
}

}  // namespace
}  // namespace procctl::node
