#include "node/core/order_check.h"

#include <gtest/gtest.h>

#include "proto/support/time_convert.h"

namespace procctl::node {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;

class OrderCheckTest : public ::testing::Test {
 protected:
  OrderCheckTest() {
    v1::Order& order = *link_.mutable_order();
    order.set_order_id("r1/0");
    order.mutable_incarnation()->set_boot_id("boot");
    order.mutable_incarnation()->set_pid(4242);
    order.mutable_incarnation()->set_start_ticks(900);
    order.mutable_incarnation()->set_generation(7);
    facts_.boot_id = "boot";
    facts_.slot_matches = true;
    facts_.process_guarded = true;
    facts_.start_ticks = 900;
  }
  v1::Order& order() { return *link_.mutable_order(); }
  v1::Verdict TargetVerdict() {
    const auto end = CheckTarget(link_, facts_);
    return end ? end->verdict : v1::VERDICT_UNSPECIFIED;
  }

  v1::LinkOrder link_;
  OrderFacts facts_;
  Nanos since_boot_ = std::chrono::hours(3);
};

TEST_F(OrderCheckTest, ASoundOrderGoesOn) {
  EXPECT_TRUE(HasOrderId(order()));
  EXPECT_FALSE(CheckShape(link_, since_boot_));
  EXPECT_FALSE(CheckTarget(link_, facts_));
}

TEST_F(OrderCheckTest, AnIdIsPrintableAndBounded) {
  for (const std::string& bad :
       {std::string(), std::string(129, 'x'), std::string("a b"), std::string("a\x1b")}) {
    order().set_order_id(bad);
    EXPECT_FALSE(HasOrderId(order())) << bad;
  }
  order().set_order_id(std::string(128, 'x'));
  EXPECT_TRUE(HasOrderId(order()));
}

TEST_F(OrderCheckTest, ExpiresAtZeroAndNotANanosecondBefore) {
  *order().mutable_time_to_live() = ToProto(Nanos(1));
  EXPECT_FALSE(CheckShape(link_, since_boot_));
  *order().mutable_time_to_live() = ToProto(Nanos(0));
  ASSERT_TRUE(CheckShape(link_, since_boot_));
  EXPECT_EQ(CheckShape(link_, since_boot_)->verdict, v1::VERDICT_EXPIRED);
}

TEST_F(OrderCheckTest, RefusesWhatIsOutOfBounds) {
  *order().mutable_time_to_live() = ToProto(minutes(5) + Nanos(1));
  EXPECT_EQ(CheckShape(link_, since_boot_)->refusal, v1::REFUSAL_MALFORMED);
  order().clear_time_to_live();
  *order().mutable_grace() = ToProto(-seconds(1));
  EXPECT_EQ(CheckShape(link_, since_boot_)->refusal, v1::REFUSAL_MALFORMED);
  *order().mutable_grace() = ToProto(kMostGrace + Nanos(1));
  EXPECT_EQ(CheckShape(link_, since_boot_)->refusal, v1::REFUSAL_MALFORMED);
  order().clear_grace();
  order().clear_incarnation();
  EXPECT_EQ(CheckShape(link_, since_boot_)->refusal, v1::REFUSAL_MALFORMED);
}

TEST_F(OrderCheckTest, TheNodesGraceIsUsedWhereTheOrderNamesNone) {
  EXPECT_EQ(GraceOf(order(), seconds(5)), seconds(5));
  *order().mutable_grace() = ToProto(Nanos(0));
  EXPECT_EQ(GraceOf(order(), seconds(5)), Nanos(0));
}

TEST_F(OrderCheckTest, AReusedPidIsAMismatch) {
  facts_.start_ticks = 901;
  EXPECT_EQ(TargetVerdict(), v1::VERDICT_IDENTITY_MISMATCH);
  facts_.slot_matches = false;
  EXPECT_EQ(TargetVerdict(), v1::VERDICT_IDENTITY_MISMATCH);
}

TEST_F(OrderCheckTest, AnotherBootIsAnotherProcessEvenWithTheSameNumbers) {
  facts_.boot_id = "other boot";
  EXPECT_EQ(TargetVerdict(), v1::VERDICT_IDENTITY_MISMATCH);
  facts_.start_ticks.reset();
  EXPECT_EQ(TargetVerdict(), v1::VERDICT_GONE_ALREADY);
}

TEST_F(OrderCheckTest, AnEndedProcessIsGoneAlready) {
  facts_.start_ticks.reset();
  facts_.slot_matches = false;
  EXPECT_EQ(TargetVerdict(), v1::VERDICT_GONE_ALREADY);
}

TEST_F(OrderCheckTest, AnotherSlotOfTheSameProcessIsNotTheOneThatWasSeen) {
  facts_.slot_matches = false;
  EXPECT_EQ(TargetVerdict(), v1::VERDICT_IDENTITY_MISMATCH);
}

TEST_F(OrderCheckTest, TimeInTheSocketOfAStoppedGuardianCounts) {
  *link_.mutable_expires_at() = ToProto(since_boot_ + Nanos(1));
  EXPECT_FALSE(CheckShape(link_, since_boot_));
  *link_.mutable_expires_at() = ToProto(since_boot_);
  ASSERT_TRUE(CheckShape(link_, since_boot_));
  EXPECT_EQ(CheckShape(link_, since_boot_)->verdict, v1::VERDICT_EXPIRED);
}

TEST_F(OrderCheckTest, WhatIsNotGuardedIsNotStopped) {
  facts_.slot_matches = false;
  facts_.process_guarded = false;
  EXPECT_EQ(CheckTarget(link_, facts_)->refusal, v1::REFUSAL_NOT_GUARDED);
}

TEST_F(OrderCheckTest, AnOrderOfAnEarlierGuardianSignalsNobodyTwice) {
  link_.set_from_earlier_guardian(true);
  EXPECT_EQ(TargetVerdict(), v1::VERDICT_UNKNOWN_AFTER_CRASH);
  facts_.start_ticks.reset();
  EXPECT_EQ(TargetVerdict(), v1::VERDICT_GONE_ALREADY);
}

}  // namespace
}  // namespace procctl::node
