#include "controller/core/order_book.h"

#include <gtest/gtest.h>

#include "proto/support/time_convert.h"

namespace procctl::controller {
namespace {

using std::chrono::nanoseconds;
using std::chrono::seconds;

OrderRequest MakeRequest(const std::string& id, const std::vector<std::string>& nodes) {
  OrderRequest request;
  request.id = id;
  request.issuer = "operator/alice";
  request.reason = "stuck";
  for (const std::string& node : nodes) {
    OrderTarget& target = request.targets.emplace_back();
    target.node = node;
    target.label = "encoder";
    target.incarnation.set_boot_id("boot");
    target.incarnation.set_pid(4242);
    target.incarnation.set_start_ticks(99);
    target.incarnation.set_generation(7);
  }
  return request;
}

v1::Event Make(v1::EventKind kind, const std::string& order_id, const std::string& node) {
  v1::Event event;
  event.set_kind(kind);
  event.set_order_id(order_id);
  event.set_node(node);
  if (kind == v1::EVENT_KIND_VERDICT) event.set_verdict(v1::VERDICT_EXITED_ON_TERM);
  return event;
}

class OrderBookTest : public ::testing::Test {
 protected:
  MonoTime now_{seconds(50)};
  OrderBook book_;
};

TEST_F(OrderBookTest, AVerdictIsToldOnlyWhenTheRequestIsRecordedToo) {
  ASSERT_TRUE(book_.Begin(MakeRequest("r", {"a"}), false, now_).ok());
  EXPECT_TRUE(book_.OnCommitted(Make(v1::EVENT_KIND_VERDICT, "r/0", "a"), now_).empty());
  EXPECT_EQ(book_.Standing("r")[0].phase, KillPhase::kDispatched);
  const auto news = book_.OnRecorded("r");
  ASSERT_EQ(news.size(), 1U);
  EXPECT_TRUE(news[0].progress.done);
  EXPECT_EQ(news[0].progress.verdict, v1::VERDICT_EXITED_ON_TERM);
  const auto move = book_.Advance("r", now_);
  ASSERT_TRUE(move.changed.has_value());
  EXPECT_EQ(move.changed->state, v1::ORDER_STATE_FINISHED);
  EXPECT_EQ(book_.requests(), 1U) << "until its end is recorded";
  EXPECT_TRUE(book_.StateRecorded("r", move.changed->state).empty());
  EXPECT_EQ(book_.requests(), 0U) << "a finished request leaves memory";
  EXPECT_EQ(book_.targets(), 0U);
}

TEST_F(OrderBookTest, ProgressComesInPhasesAndNeverGoesBack) {
  ASSERT_TRUE(book_.Begin(MakeRequest("r", {"a", "b"}), true, now_).ok());
  EXPECT_EQ(book_.OnCommitted(Make(v1::EVENT_KIND_TERM_SENT, "r/1", "b"), now_)[0].progress.phase,
            KillPhase::kTermSent);
  EXPECT_EQ(book_.OnCommitted(Make(v1::EVENT_KIND_KILL_SENT, "r/1", "b"), now_)[0].progress.phase,
            KillPhase::kKillSent);
  EXPECT_TRUE(book_.OnCommitted(Make(v1::EVENT_KIND_TERM_SENT, "r/1", "b"), now_).empty());
  EXPECT_EQ(book_.OnCommitted(Make(v1::EVENT_KIND_VERDICT, "r/1", "b"), now_).size(), 1U);
  EXPECT_TRUE(book_.OnCommitted(Make(v1::EVENT_KIND_VERDICT, "r/1", "b"), now_).empty());
  EXPECT_EQ(book_.requests(), 1U) << "target 0 is still open";
}

TEST_F(OrderBookTest, ANodeCannotAnswerForAnother) {
  ASSERT_TRUE(book_.Begin(MakeRequest("r", {"a"}), true, now_).ok());
  EXPECT_TRUE(book_.OnCommitted(Make(v1::EVENT_KIND_VERDICT, "r/0", "b"), now_).empty());
  EXPECT_EQ(book_.requests(), 1U);
}

TEST_F(OrderBookTest, EventsOfUnknownOrdersAreNobodys) {
  ASSERT_TRUE(book_.Begin(MakeRequest("r", {"a"}), true, now_).ok());
  for (const char* id : {"", "r", "r/", "r/1", "r/x", "/0", "other/0", "r/0/0", "r/-1",
                         "r/99999999999999999999999"}) {
    EXPECT_TRUE(book_.OnCommitted(Make(v1::EVENT_KIND_VERDICT, id, "a"), now_).empty()) << id;
  }
}

TEST_F(OrderBookTest, OverdueIsOneNanosecondAfterTimeToLiveGraceAndSlack) {
  OrderRequest request = MakeRequest("r", {"a"});
  request.grace = seconds(7);
  request.time_to_live = seconds(10);
  ASSERT_TRUE(book_.Begin(request, true, now_).ok());
  EXPECT_TRUE(book_.Expire(now_ + seconds(37)).empty());
  const auto news = book_.Expire(now_ + seconds(37) + nanoseconds(1));
  ASSERT_EQ(news.size(), 1U);
  EXPECT_EQ(news[0].progress.phase, KillPhase::kUnresolved);
  EXPECT_TRUE(news[0].progress.done);
  EXPECT_EQ(book_.Advance("r", now_).changed->failed, 1);
}

TEST_F(OrderBookTest, OrdersCarryWhatIsLeftOfTheirTimeToLive) {
  ASSERT_TRUE(book_.Begin(MakeRequest("r", {"a", "b", "a"}), true, now_).ok());
  const auto orders = book_.OrdersFor("a", now_ + seconds(12));
  ASSERT_EQ(orders.size(), 2U);
  EXPECT_EQ(FromProto(orders[0].order.time_to_live()), seconds(18));
  EXPECT_EQ(orders[0].order.order_id(), "r/0");
  EXPECT_EQ(orders[1].order.order_id(), "r/2");
  EXPECT_EQ(orders[0].order.issuer(), "operator/alice");
  EXPECT_EQ(orders[0].order.reason(), "stuck");
  EXPECT_FALSE(orders[0].order.has_grace());
  EXPECT_TRUE(book_.OrdersFor("a", now_ + seconds(30)).empty()) << "never executed late";
  EXPECT_TRUE(book_.OrdersFor("nobody", now_).empty());
}

TEST_F(OrderBookTest, AnOrderWithAVerdictIsNotSentAgain) {
  ASSERT_TRUE(book_.Begin(MakeRequest("r", {"a", "b"}), false, now_).ok());
  (void)book_.OnCommitted(Make(v1::EVENT_KIND_VERDICT, "r/0", "a"), now_);
  const auto orders = book_.OrdersOf("r", now_);
  ASSERT_EQ(orders.size(), 1U);
  EXPECT_EQ(orders[0].node, "b");
}

TEST_F(OrderBookTest, WhatIsRefusedGoesToNobodyThoughItsNodeComesBack) {
  ASSERT_TRUE(book_.Begin(MakeRequest("r", {"a", "b"}), true, now_).ok());
  ASSERT_EQ(book_.OrdersOf("r", now_).size(), 2U);
  EXPECT_TRUE(book_.Refuse("r", 0));
  EXPECT_TRUE(book_.OrdersFor("a", now_).empty()) << "its refusal is on its way into the log";
  EXPECT_EQ(book_.OrdersFor("b", now_).size(), 1U);
}

TEST_F(OrderBookTest, WhatANodeThatCameBackWasGivenIsNotRefused) {
  ASSERT_TRUE(book_.Begin(MakeRequest("r", {"a"}), true, now_).ok());
  ASSERT_EQ(book_.OrdersOf("r", now_).size(), 1U);
  ASSERT_EQ(book_.OrdersFor("a", now_).size(), 1U);
  EXPECT_FALSE(book_.Refuse("r", 0)) << "the node answers; two answers would be two truths";
  EXPECT_EQ(book_.OrdersFor("a", now_).size(), 1U) << "and it may be given it once more";
  EXPECT_FALSE(book_.Refuse("unknown", 0));
}

TEST_F(OrderBookTest, AFullBookRefusesAndSaysWhatToDo) {
  const std::vector<std::string> nodes(kMostTargetsPerRequest, "a");
  for (size_t i = 0; i < OrderBook::kMostTargets / kMostTargetsPerRequest; ++i) {
    ASSERT_TRUE(book_.Begin(MakeRequest(std::to_string(i), nodes), false, now_).ok());
  }
  EXPECT_EQ(book_.Begin(MakeRequest("more", {"a"}), false, now_).code(),
            absl::StatusCode::kUnavailable);
  const MonoTime later = now_ + seconds(3600);
  EXPECT_EQ(book_.Expire(later).size(), OrderBook::kMostTargets);
  for (const std::string& id : book_.Ids()) EXPECT_TRUE(book_.Advance(id, later).changed);
  EXPECT_TRUE(book_.Expire(later + OrderBook::kMostUnrecorded).empty());
  EXPECT_EQ(book_.targets(), OrderBook::kMostTargets);
  EXPECT_TRUE(book_.Expire(later + OrderBook::kMostUnrecorded + nanoseconds(1)).empty());
  EXPECT_EQ(book_.targets(), 0U) << "a store that fails does not fill the book";
  EXPECT_TRUE(book_.Begin(MakeRequest("more", {"a"}), false, now_).ok());
}

TEST(OrderRequest, EachBrokenPartIsNamed) {
  EXPECT_TRUE(CheckOrderRequest(MakeRequest("r", {"a"})).ok());
  const auto refusal = [](auto change) {
    OrderRequest request = MakeRequest("r", {"a", "b"});
    change(&request);
    return CheckOrderRequest(request).ToString();
  };
  using R = OrderRequest*;
  EXPECT_NE(refusal([](R r) { r->id = ""; }).find("request_id"), std::string::npos);
  EXPECT_NE(refusal([](R r) { r->id = "a/b"; }).find("request_id"), std::string::npos);
  EXPECT_NE(refusal([](R r) { r->id = std::string(65, 'x'); }).find("request_id"),
            std::string::npos);
  EXPECT_NE(refusal([](R r) { r->targets.clear(); }).find("0 targets"), std::string::npos);
  EXPECT_NE(refusal([](R r) { r->targets.resize(1001); }).find("1001 targets"), std::string::npos);
  EXPECT_NE(refusal([](R r) { r->grace = std::chrono::hours(2); }).find("grace"),
            std::string::npos);
  EXPECT_NE(refusal([](R r) { r->time_to_live = seconds(301); }).find("time_to_live"),
            std::string::npos);
  EXPECT_NE(refusal([](R r) { r->time_to_live = seconds(0); }).find("time_to_live"),
            std::string::npos);
  EXPECT_NE(refusal([](R r) { r->reason.resize(1001); }).find("reason"), std::string::npos);
  EXPECT_NE(refusal([](R r) { r->targets[1].incarnation.set_pid(1); }).find("targets[1]"),
            std::string::npos);
  EXPECT_NE(refusal([](R r) { r->targets[1].incarnation.clear_generation(); }).find("targets[1]"),
            std::string::npos);
  EXPECT_NE(refusal([](R r) { r->targets[0].node = ""; }).find("targets[0]"), std::string::npos);
}

TEST(OrderRequest, AHoldNeedsAnEndAndAReasonAndAReleaseNeither) {
  OrderRequest hold = MakeRequest("r", {"a"});
  hold.act = Act::kHold;
  hold.reason = "migration";
  const auto checked = [&](std::optional<std::chrono::nanoseconds> hold_for) {
    hold.hold_for = hold_for;
    return CheckOrderRequest(hold).ToString();
  };
  EXPECT_EQ(checked(std::chrono::hours(24)), "OK");
  EXPECT_EQ(checked(std::chrono::nanoseconds(1)), "OK");
  for (const auto wrong :
       {std::optional<std::chrono::nanoseconds>(), std::optional<std::chrono::nanoseconds>(0),
        std::optional<std::chrono::nanoseconds>(std::chrono::hours(24) +
                                                std::chrono::nanoseconds(1))}) {
    EXPECT_NE(checked(wrong).find("hold_for"), std::string::npos);
  }
  hold.hold_for = seconds(60);
  hold.reason.clear();
  EXPECT_NE(CheckOrderRequest(hold).ToString().find("reason"), std::string::npos);
  hold.act = Act::kRelease;
  EXPECT_NE(CheckOrderRequest(hold).ToString().find("hold_for"), std::string::npos);
  hold.hold_for.reset();
  EXPECT_EQ(CheckOrderRequest(hold).ToString(), "OK");
}

TEST(OrderRequest, TargetsAreTheSameOnlyInAllParts) {
  const OrderRequest request = MakeRequest("r", {"a", "b"});
  EXPECT_TRUE(SameTargets(request, MakeRequest("other", {"a", "b"})));
  EXPECT_FALSE(SameTargets(request, MakeRequest("r", {"b", "a"})));
  EXPECT_FALSE(SameTargets(request, MakeRequest("r", {"a"})));
  OrderRequest other = request;
  other.targets[0].incarnation.set_generation(8);
  EXPECT_FALSE(SameTargets(request, other));
  OrderRequest release = request;
  release.act = Act::kRelease;
  EXPECT_FALSE(SameTargets(request, release)) << "to stop is not to release";
}

TEST(OrderRequest, ARefusedVerdictSaysWhoWantedWhatAndWhyNot) {
  const v1::Event event =
      RefusedVerdict(MakeRequest("r", {"a"}), 0, v1::REFUSAL_NODE_UNREACHABLE, WallTime());
  EXPECT_EQ(event.kind(), v1::EVENT_KIND_VERDICT);
  EXPECT_EQ(event.verdict(), v1::VERDICT_REFUSED);
  EXPECT_EQ(event.order_id(), "r/0");
  EXPECT_EQ(event.node(), "a");
  EXPECT_EQ(event.issuer(), "operator/alice");
  EXPECT_NE(event.message().find("node a has no session"), std::string::npos);
}

}  // namespace
}  // namespace procctl::controller
