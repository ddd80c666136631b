// What every storage engine must do for orders to stop: part of the suite of engine_conformance.h.
#include <future>
#include <utility>

#include "tests/controller/store/engine_conformance.h"

namespace procctl::controller {
namespace {

template <typename Start>
absl::Status Await(Start start) {
  std::promise<absl::Status> result;
  start([&](absl::Status status) { result.set_value(std::move(status)); });
  return result.get_future().get();
}

OrderRequest MakeOrder(const std::string& id, int targets, const Pace& pace) {
  OrderRequest request;
  request.id = id;
  request.issuer = "operator/alice";
  request.reason = "new release";
  request.plan_hash = "hash of " + id;
  request.pace = pace;
  for (int i = 0; i < targets; ++i) {
    OrderTarget& target = request.targets.emplace_back();
    target.node = "a";
    target.label = "web@" + std::to_string(i);
    target.name = "web";
    target.batch = i + 1;
    target.planned = v1::PLANNED_OUTCOME_RESTART;
    target.incarnation.set_boot_id("boot");
    target.incarnation.set_pid(100 + i);
    target.incarnation.set_generation(7);
  }
  return request;
}

using Bools = std::vector<bool>;

TEST_P(EngineConformance, AnOrderIsFoundWithItsPaceItsBatchesAndWhatWasSent) {
  const OrderRequest order = MakeOrder("r", 3, {.max_unavailable = 1, .batch = 1});
  ASSERT_TRUE(Record(order).ok());
  History& history = engine_->history();
  ASSERT_TRUE(Await([&](auto done) { history.RecordSent("r", {0, 2}, /*sent=*/true, done); }).ok());
  ASSERT_TRUE(Await([&](auto done) { history.RecordSent("r", {2}, /*sent=*/false, done); }).ok());
  ASSERT_TRUE(Await([&](auto done) {
                history.RecordState("r", v1::ORDER_STATE_PAUSED, "paused by operator/bob", done);
              }).ok());
  Reopen();
  const auto found = engine_->history().FindRequest("r");
  ASSERT_TRUE(found.ok() && found->has_value()) << found.status();
  const RecordedRequest& recorded = **found;
  EXPECT_EQ(recorded.request.plan_hash, "hash of r");
  EXPECT_EQ(recorded.request.pace, order.pace);
  EXPECT_EQ(recorded.request.targets[2].batch, 3);
  EXPECT_EQ(recorded.request.targets[2].name, "web");
  EXPECT_EQ(recorded.request.targets[2].planned, v1::PLANNED_OUTCOME_RESTART);
  EXPECT_EQ(recorded.sent, (Bools{true, false, false}));
  EXPECT_EQ(recorded.state, v1::ORDER_STATE_PAUSED);
  EXPECT_EQ(recorded.state_message, "paused by operator/bob");
  EXPECT_GT(recorded.received_at, WallTime());
}

TEST_P(EngineConformance, WhatGoesAtOnceCountsAsSentAndAHoldHasNoCourse) {
  ASSERT_TRUE(Record(MakeOrder("r", 2, {})).ok());
  OrderRequest hold = MakeOrder("h", 1, {});
  hold.act = Act::kHold;
  hold.plan_hash.clear();
  ASSERT_TRUE(Record(hold).ok());
  const auto open = engine_->history().OpenOrders();
  ASSERT_TRUE(open.ok()) << open.status();
  ASSERT_EQ(open->size(), 1U);
  EXPECT_EQ((*open)[0].request.id, "r");
  EXPECT_EQ((*open)[0].state, v1::ORDER_STATE_RUNNING);
  EXPECT_EQ((*open)[0].sent, (Bools{true, true}));
}

TEST_P(EngineConformance, OnlyOrdersThatHaveNotEndedAreOpen) {
  History& history = engine_->history();
  for (const char* id : {"r-1", "r-2", "r-3"}) ASSERT_TRUE(Record(MakeOrder(id, 1, {})).ok());
  const auto become = [&](const char* id, v1::OrderState state) {
    ASSERT_TRUE(Await([&](auto done) { history.RecordState(id, state, "", done); }).ok());
  };
  become("r-1", v1::ORDER_STATE_HALTED);
  become("r-2", v1::ORDER_STATE_CANCELLED);
  become("r-3", v1::ORDER_STATE_FINISHED);
  const auto open = history.OpenOrders();
  ASSERT_TRUE(open.ok()) << open.status();
  ASSERT_EQ(open->size(), 1U);
  EXPECT_EQ((*open)[0].request.id, "r-1");
}

TEST_P(EngineConformance, OrdersAreListedNewestFirstWithTheirCounts) {
  const std::int64_t session = Claim("a");
  ASSERT_TRUE(Record(MakeOrder("r-1", 3, {.batch = 1})).ok());
  ASSERT_TRUE(Record(MakeOrder("r-2", 1, {})).ok());
  History& history = engine_->history();
  ASSERT_TRUE(Await([&](auto done) { history.RecordSent("r-1", {0, 1}, true, done); }).ok());
  const auto verdict = [](std::int64_t seq, const std::string& order, v1::Verdict value) {
    v1::Event event = MakeEvent("a", 7, seq);
    event.set_kind(v1::EVENT_KIND_VERDICT);
    event.set_verdict(value);
    event.set_order_id(order);
    return event;
  };
  // The second verdict on a target is of the same target.
  ASSERT_TRUE(
      Append("a", session,
             {verdict(1, "r-1/0", v1::VERDICT_UNKILLABLE), verdict(2, "r-1/0", v1::VERDICT_KILLED),
              verdict(3, "r-2/0", v1::VERDICT_HELD)})
          .ok());
  ASSERT_TRUE(Await([&](auto done) {
                history.RecordState("r-2", v1::ORDER_STATE_FINISHED, "done", done);
              }).ok());
  const auto first = history.ListOrders({.limit = 1});
  ASSERT_TRUE(first.ok()) << first.status();
  ASSERT_EQ(first->orders.size(), 1U);
  EXPECT_TRUE(first->more);
  const OrderStanding& newest = first->orders[0].standing;
  EXPECT_EQ(newest.request_id, "r-2");
  EXPECT_EQ(newest.state, v1::ORDER_STATE_FINISHED);
  EXPECT_EQ(newest.message, "done");
  EXPECT_EQ(newest.done, 1);
  EXPECT_EQ(newest.failed, 1);
  const auto second = history.ListOrders({.before = first->orders[0].number});
  ASSERT_TRUE(second.ok()) << second.status();
  ASSERT_EQ(second->orders.size(), 1U);
  EXPECT_FALSE(second->more);
  const OrderStanding& older = second->orders[0].standing;
  EXPECT_EQ(older.request_id, "r-1");
  EXPECT_EQ(older.targets, 3);
  EXPECT_EQ(older.waiting, 1);
  EXPECT_EQ(older.under_way, 1);
  EXPECT_EQ(older.done, 1);
  EXPECT_EQ(older.failed, 0);
  EXPECT_EQ(older.batch, 2);
  EXPECT_EQ(older.batches, 3);
  EXPECT_EQ(older.pace.batch, 1);
  const auto running = history.ListOrders({.only_running = true});
  ASSERT_EQ(running->orders.size(), 1U);
  EXPECT_EQ(running->orders[0].standing.request_id, "r-1");
}

}  // namespace
}  // namespace procctl::controller
