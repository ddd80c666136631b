// The course of a paced order in the book: chosen, recorded as sent, sent, steered, taken up again.
#include <gtest/gtest.h>

#include "controller/core/order_book.h"

namespace procctl::controller {
namespace {

using std::chrono::nanoseconds;
using std::chrono::seconds;
using Targets = std::vector<size_t>;

class OrderCourseTest : public ::testing::Test {
 protected:
  OrderRequest Make(const std::string& id, size_t targets, const Pace& pace) {
    OrderRequest request;
    request.id = id;
    request.issuer = "operator/alice";
    request.plan_hash = "hash of " + id;
    request.pace = pace;
    for (size_t i = 0; i < targets; ++i) {
      OrderTarget& target = request.targets.emplace_back();
      target.node = "node-" + std::to_string(i);
      target.label = "web";
      target.batch = pace.batch == 0 ? 1 : static_cast<int>(i) / pace.batch + 1;
    }
    return request;
  }
  void Begin(const OrderRequest& request) {
    ASSERT_TRUE(book_.Begin(request, /*recorded=*/false, now_).ok());
    EXPECT_TRUE(book_.Advance(request.id, now_).choose.empty()) << "it is not recorded yet";
    EXPECT_TRUE(book_.OnRecorded(request.id).empty());
  }
  // Chooses, and sends what was chosen.
  Targets Send(const std::string& id) {
    const auto move = book_.Advance(id, now_);
    const auto sending = book_.Send(id, move.choose, now_);
    Targets sent;
    for (const auto& dispatch : sending.orders) sent.push_back(dispatch.target);
    return sent;
  }
  std::vector<OrderBook::News> Verdict(const std::string& id, size_t target, v1::Verdict verdict) {
    v1::Event event;
    event.set_kind(v1::EVENT_KIND_VERDICT);
    event.set_order_id(OrderId(id, target));
    event.set_node("node-" + std::to_string(target));
    event.set_verdict(verdict);
    return book_.OnCommitted(event, now_);
  }

  MonoTime now_{seconds(50)};
  OrderBook book_;
};

TEST_F(OrderCourseTest, TheTimeToLiveOfATargetBeginsWhenItIsSent) {
  Begin(Make("r", 2, {.max_unavailable = 1}));
  EXPECT_EQ(book_.Standing("r")[1].phase, KillPhase::kWaiting);
  EXPECT_EQ(Send("r"), Targets{0});
  now_ += seconds(20);
  EXPECT_EQ(Verdict("r", 0, v1::VERDICT_KILLED).size(), 1U);
  EXPECT_EQ(Send("r"), Targets{1});
  EXPECT_TRUE(book_.Expire(now_ + seconds(55)).empty());
  const auto news = book_.Expire(now_ + seconds(55) + nanoseconds(1));
  ASSERT_EQ(news.size(), 1U);
  EXPECT_EQ(news[0].progress.phase, KillPhase::kUnresolved);
  const auto move = book_.Advance("r", now_);
  ASSERT_TRUE(move.changed);
  EXPECT_EQ(move.changed->state, v1::ORDER_STATE_FINISHED);
  EXPECT_EQ(move.changed->failed, 1);
}

TEST_F(OrderCourseTest, WaitingTargetsNeverExpire) {
  Begin(Make("r", 2, {.max_unavailable = 1}));
  ASSERT_TRUE(book_.Steer("r", v1::ORDER_ACTION_PAUSE, "operator/bob", "", now_).ok());
  EXPECT_TRUE(book_.Expire(now_ + std::chrono::hours(1000)).empty());
  EXPECT_EQ(book_.Look("r")->waiting, 2);
}

TEST_F(OrderCourseTest, WhatWasChosenBeforeAPauseStaysBehind) {
  Begin(Make("r", 2, {.max_unavailable = 1}));
  const auto move = book_.Advance("r", now_);
  EXPECT_EQ(move.choose, Targets{0});
  ASSERT_TRUE(book_.Steer("r", v1::ORDER_ACTION_PAUSE, "operator/bob", "lunch", now_).ok());
  const auto sending = book_.Send("r", move.choose, now_);
  EXPECT_TRUE(sending.orders.empty());
  EXPECT_EQ(sending.stays, Targets{0});
  EXPECT_EQ(book_.Advance("r", now_).changed->message, "paused by operator/bob: lunch");
  ASSERT_TRUE(book_.Steer("r", v1::ORDER_ACTION_RESUME, "operator/bob", "", now_).ok());
  EXPECT_EQ(Send("r"), Targets{0});
}

TEST_F(OrderCourseTest, ACancelledOrderTellsItsWaitingTargetsOnceThatIsRecorded) {
  Begin(Make("r", 3, {.max_unavailable = 1}));
  EXPECT_EQ(Send("r"), Targets{0});
  ASSERT_TRUE(book_.Steer("r", v1::ORDER_ACTION_CANCEL, "operator/bob", "wrong ones", now_).ok());
  const auto move = book_.Advance("r", now_);
  EXPECT_TRUE(move.choose.empty());
  ASSERT_TRUE(move.changed);
  EXPECT_EQ(book_.Standing("r")[1].phase, KillPhase::kWaiting) << "it is not recorded yet";
  const auto news = book_.StateRecorded("r", move.changed->state);
  ASSERT_EQ(news.size(), 2U);
  EXPECT_EQ(news[0].progress.phase, KillPhase::kCancelled);
  EXPECT_TRUE(news[0].progress.done);
  EXPECT_EQ(book_.requests(), 1U) << "one is under way";
  EXPECT_EQ(Verdict("r", 0, v1::VERDICT_KILLED).size(), 1U);
  EXPECT_EQ(book_.requests(), 0U);
  EXPECT_EQ(book_.targets(), 0U);
}

TEST_F(OrderCourseTest, AnEndedOrderIsNotSteered) {
  Begin(Make("r", 2, {.max_unavailable = 1}));
  EXPECT_TRUE(
      absl::IsNotFound(book_.Steer("other", v1::ORDER_ACTION_PAUSE, "operator/bob", "", now_)));
  EXPECT_TRUE(absl::IsInvalidArgument(
      book_.Steer("r", v1::ORDER_ACTION_UNSPECIFIED, "operator/bob", "", now_)));
  ASSERT_TRUE(book_.Steer("r", v1::ORDER_ACTION_CANCEL, "operator/bob", "", now_).ok());
  EXPECT_TRUE(book_.Steer("r", v1::ORDER_ACTION_CANCEL, "operator/bob", "", now_).ok());
  EXPECT_TRUE(absl::IsFailedPrecondition(
      book_.Steer("r", v1::ORDER_ACTION_RESUME, "operator/bob", "", now_)));
}

TEST_F(OrderCourseTest, WhatAnEarlierLifeSentIsNotSentAgainAndTheRestWaitsForSomebody) {
  ASSERT_TRUE(book_
                  .Restore({Make("r", 3, {.max_unavailable = 2}),
                            {true, true, false},
                            v1::ORDER_STATE_RUNNING,
                            "begun",
                            WallTime()},
                           now_)
                  .ok());
  EXPECT_EQ(Verdict("r", 0, v1::VERDICT_KILLED).size(), 1U) << "as recorded";
  const auto move = book_.Advance("r", now_);
  EXPECT_TRUE(move.choose.empty());
  ASSERT_TRUE(move.changed) << "to be recorded";
  EXPECT_EQ(move.changed->state, v1::ORDER_STATE_PAUSED);
  EXPECT_NE(move.changed->message.find("procctl-cli order r --resume"), std::string::npos);
  EXPECT_TRUE(book_.OrdersFor("node-1", now_).empty()) << "its node may have had it";
  ASSERT_TRUE(book_.Steer("r", v1::ORDER_ACTION_RESUME, "operator/bob", "", now_).ok());
  EXPECT_EQ(Send("r"), Targets{2});
  EXPECT_EQ(Verdict("r", 1, v1::VERDICT_EXITED_ON_TERM).size(), 1U);
}

TEST_F(OrderCourseTest, AnOrderOfAnEarlierLifeThatWasAllSentGoesOnWaiting) {
  ASSERT_TRUE(
      book_.Restore({Make("r", 2, {}), {true, true}, v1::ORDER_STATE_RUNNING, "", {}}, now_).ok());
  EXPECT_FALSE(book_.Advance("r", now_).changed);
  EXPECT_EQ(Verdict("r", 0, v1::VERDICT_KILLED).size(), 1U);
  EXPECT_EQ(book_.Expire(now_ + seconds(56)).size(), 1U);
  EXPECT_EQ(book_.Advance("r", now_).changed->state, v1::ORDER_STATE_FINISHED);
}

TEST_F(OrderCourseTest, AStoppedProgramIsAwaitedAndItsReturnLetsTheNextGo) {
  OrderRequest request = Make("r", 2, {.batch = 1});
  request.targets[0].planned = v1::PLANNED_OUTCOME_RESTART;
  Begin(request);
  EXPECT_EQ(Send("r"), Targets{0});
  EXPECT_EQ(Verdict("r", 0, v1::VERDICT_EXITED_ON_TERM).size(), 1U);
  EXPECT_EQ(Send("r"), Targets{});
  const auto awaited = book_.Awaited();
  ASSERT_EQ(awaited.size(), 1U);
  EXPECT_EQ(awaited[0].label, "web");
  book_.Returned(awaited[0], now_);
  EXPECT_EQ(Send("r"), Targets{1});
}

TEST_F(OrderCourseTest, WhatIsDueIsTheTimeOfTheNextLook) {
  Begin(Make("r", 2, {.batch = 1, .pause = seconds(10)}));
  EXPECT_EQ(Send("r"), Targets{0});
  Verdict("r", 0, v1::VERDICT_KILLED);
  EXPECT_EQ(Send("r"), Targets{});
  EXPECT_TRUE(book_.Due(now_ + seconds(10) - nanoseconds(1)).empty());
  EXPECT_EQ(book_.Due(now_ + seconds(10)), std::vector<std::string>{"r"});
}

TEST_F(OrderCourseTest, PausedOrdersLeaveRoomForOthers) {
  const Pace slow{.max_unavailable = 1};
  const size_t most = OrderBook::kMostTargets - OrderBook::kLeftForUnpaced;
  for (size_t taken = 0; taken < most; taken += kMostTargetsPerPlan) {
    ASSERT_TRUE(
        book_.Begin(Make(std::to_string(taken), kMostTargetsPerPlan, slow), true, now_).ok());
  }
  EXPECT_TRUE(absl::IsUnavailable(book_.Begin(Make("paced", 2, slow), true, now_)));
  EXPECT_TRUE(book_.Begin(Make("at-once", 2, {}), true, now_).ok());
}

}  // namespace
}  // namespace procctl::controller
