// kill by a plan, order and orders, against a fake controller.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/synchronization/notification.h"
#include "tests/cli/fake_controller.h"
#include "tests/cli/rows.h"

namespace procctl::cli {
namespace {

using testing::Accepted;
using testing::Cli;
using testing::Done;
using testing::FakeController;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using testing::Outcome;
using testing::Row;
using testing::Stands;

class OrderCommandTest : public ::testing::Test {
 protected:
  OrderCommandTest()
      : controller_(fleet_.Controller()),
        cli_{controller_.address(), fleet_.Issue(Role::kOperator, "alice")} {
    controller_.slots = {Row("web-01", "encoder", v1::SLOT_STATE_HUNG, 4182),
                         Row("web-01", "encoder.2", v1::SLOT_STATE_ALIVE, 4183),
                         Row("web-02", "worker", v1::SLOT_STATE_ALIVE, 77)};
    controller_.on_kill = [](const v1::KillSlotsRequest& request,
                             FakeController::KillWriter* writer, grpc::ServerContext*) {
      writer->Write(Accepted(request));
      for (int i = 0; i < request.targets_size(); ++i) writer->Write(Done(i, v1::VERDICT_KILLED));
      writer->Write(Stands(v1::ORDER_STATE_FINISHED, "all have an outcome"));
      v1::KillSlotsResponse summary;
      summary.mutable_summary();
      writer->Write(summary);
      return grpc::Status::OK;
    };
  }

  static v1::OrderStatus Order(const std::string& id, v1::OrderState state) {
    v1::OrderStatus order;
    order.set_request_id(id);
    order.set_state(state);
    order.set_message("begun by operator/alice: new release");
    order.set_issuer("operator/alice");
    order.set_targets(10);
    order.set_done(3);
    order.set_failed(1);
    order.set_under_way(2);
    order.set_waiting(5);
    order.set_batch(2);
    order.set_batches(5);
    return order;
  }

  procctl::testing::TestFleet fleet_;
  absl::Notification given_up_;
  std::stop_source source_;
  FakeController controller_;
  Cli cli_;
};

TEST_F(OrderCommandTest, AFilterIsPlannedAskedForAndApplied) {
  cli_.answer = true;
  const Outcome outcome =
      cli_.Run({"kill", "-l", "name=encoder*", "--max-unavailable", "2", "--batch", "5", "--pause",
                "30s", "--recovery-limit", "2m", "--halt-percent", "0", "--reason", "new release"});
  EXPECT_EQ(outcome.code, ExitCode::kOk) << outcome.err;
  EXPECT_THAT(cli_.question, HasSubstr("Stop these 3? [y/N]"));
  EXPECT_THAT(outcome.out, AllOf(HasSubstr("WILL BE"), HasSubstr("3 to stop, at most 2 at a time"),
                                 HasSubstr("3 stopped, 0 failed.")));
  ASSERT_EQ(controller_.plans.size(), 1U);
  const v1::PlanKillRequest& plan = controller_.plans[0];
  EXPECT_EQ(plan.filter(), "name=encoder*");
  EXPECT_EQ(plan.reason(), "new release");
  EXPECT_EQ(plan.pace().max_unavailable(), 2);
  EXPECT_EQ(plan.pace().batch(), 5);
  EXPECT_EQ(plan.pace().pause().seconds(), 30);
  EXPECT_EQ(plan.pace().recovery_limit().seconds(), 120);
  EXPECT_TRUE(plan.pace().has_halt_percent());
  EXPECT_EQ(plan.pace().halt_percent(), 0);
  EXPECT_EQ(controller_.applied.at(0).plan_hash(), "hash-1");
  EXPECT_EQ(controller_.applied.at(0).confirm_targets(), 0);
}

TEST_F(OrderCommandTest, OneWordThatCanBeNoTargetIsAFilter) {
  for (const char* filter : {"", " ", "*", "name=encoder*", "nmae=encoder"}) {
    cli_.Run({"kill", filter, "--plan"});
    ASSERT_FALSE(controller_.plans.empty()) << filter;
    EXPECT_EQ(controller_.plans.back().filter(), filter);
  }
  EXPECT_THAT(controller_.kills, IsEmpty());
}

TEST_F(OrderCommandTest, OneExactTargetIsNotPlanned) {
  EXPECT_EQ(cli_.Run({"kill", "web-01/encoder"}).code, ExitCode::kOk);
  EXPECT_EQ(cli_.Run({"kill", "web-01:4183"}).code, ExitCode::kOk);
  EXPECT_THAT(controller_.plans, IsEmpty());
  EXPECT_EQ(controller_.kills.size(), 2U);
}

TEST_F(OrderCommandTest, EverybodyNeedsTheExactNumber) {
  controller_.confirm_because = "\"*\" matches every slot of the fleet, 3 targets";
  cli_.answer = true;
  for (const char* everybody : {"", " ", "*"}) {
    const Outcome outcome = cli_.Run({"kill", everybody, "--yes"});
    EXPECT_EQ(outcome.code, ExitCode::kDeclined);
    EXPECT_THAT(outcome.err, AllOf(HasSubstr("matches every slot"),
                                   HasSubstr("nobody was signalled"), HasSubstr("--confirm 3")));
  }
  const Outcome wrong = cli_.Run({"kill", "*", "--confirm", "2", "--yes"});
  EXPECT_EQ(wrong.code, ExitCode::kDeclined);
  EXPECT_THAT(wrong.err, HasSubstr("--confirm says 2, and 3 would be stopped"));
  EXPECT_THAT(controller_.applied, IsEmpty());
  const Outcome right = cli_.Run({"kill", "*", "--confirm", "3"});
  EXPECT_EQ(right.code, ExitCode::kOk) << right.err;
  EXPECT_EQ(cli_.question, "") << "the number says it";
  EXPECT_EQ(controller_.applied.at(0).confirm_targets(), 3);
}

TEST_F(OrderCommandTest, WhatTheControllerRefusesSignalsNobody) {
  controller_.plan_failure = {grpc::StatusCode::INVALID_ARGUMENT, "key \"nmae\" is none"};
  Outcome outcome = cli_.Run({"kill", "nmae=x", "--yes"});
  EXPECT_EQ(outcome.code, ExitCode::kUsage);
  EXPECT_THAT(outcome.err, HasSubstr("nmae"));
  controller_.plan_failure = {grpc::StatusCode::NOT_FOUND, "no slot matches"};
  EXPECT_EQ(cli_.Run({"kill", "name=x", "--yes"}).code, ExitCode::kNothingMatched);
  controller_.plan_failure = {grpc::StatusCode::FAILED_PRECONDITION, "5000 slots match"};
  EXPECT_EQ(cli_.Run({"kill", "name=x", "--yes"}).code, ExitCode::kDeclined);
  EXPECT_THAT(controller_.applied, IsEmpty());
  EXPECT_THAT(controller_.kills, IsEmpty());
}

TEST_F(OrderCommandTest, APlanIsOnlyShown) {
  const Outcome outcome = cli_.Run({"kill", "name=encoder", "--plan"});
  EXPECT_EQ(outcome.code, ExitCode::kOk) << outcome.err;
  EXPECT_THAT(outcome.out, AllOf(HasSubstr("web-02"), HasSubstr("nobody was signalled")));
  const Outcome json = cli_.Run({"kill", "name=encoder", "--plan", "-o", "json"});
  EXPECT_THAT(json.out, AllOf(HasSubstr("\"planHash\":\"hash-2\""), HasSubstr("\"dryRun\":true")));
  EXPECT_THAT(controller_.applied, IsEmpty());
}

TEST_F(OrderCommandTest, WhatMakesNoSenseIsAUsageError) {
  for (const std::vector<std::string>& wrong :
       std::vector<std::vector<std::string>>{{"kill"},
                                             {"kill", "web-01/encoder", "-l", "name=x"},
                                             {"kill", "web-01/encoder", "name=x"},
                                             {"kill", "web-01/encoder", ""},
                                             {"kill", "name=x", "--max-unavailable", "0"},
                                             {"kill", "name=x", "--halt-percent", "101"},
                                             {"kill", "name=x", "--pause", "2h"},
                                             {"kill", "name=x", "--if-incarnation", "b:2:3:4"},
                                             {"order"},
                                             {"order", "r-1", "--all"},
                                             {"order", "--all"},
                                             {"order", "--all", "--resume"},
                                             {"order", "r-1", "--pause", "--cancel"}}) {
    EXPECT_EQ(cli_.Run(wrong).code, ExitCode::kUsage) << wrong.back();
  }
  EXPECT_THAT(controller_.plans, IsEmpty());
  EXPECT_THAT(controller_.steered, IsEmpty());
}

TEST_F(OrderCommandTest, AHaltedOrderEndsTheWaitAndSaysHowToGoOn) {
  controller_.on_kill = [&](const v1::KillSlotsRequest& request, FakeController::KillWriter* writer,
                            grpc::ServerContext*) {
    writer->Write(Accepted(request));
    writer->Write(Done(0, v1::VERDICT_HELD));
    writer->Write(Stands(v1::ORDER_STATE_HALTED, "halted: 1 of the 1 targets failed"));
    given_up_.WaitForNotification();
    return grpc::Status::CANCELLED;
  };
  const Outcome outcome = cli_.Run({"kill", "name=x", "--batch", "1", "--yes"});
  given_up_.Notify();
  EXPECT_EQ(outcome.code, ExitCode::kFailed);
  EXPECT_THAT(outcome.err,
              AllOf(HasSubstr("halted: 1 of the 1 targets failed"),
                    HasSubstr("order " + controller_.applied.at(0).request_id() + " --resume")));
}

TEST_F(OrderCommandTest, CtrlCLeavesTheOrderRunningAndSaysHowToReturnAndHowToStopIt) {
  cli_.detach = source_.get_token();
  controller_.on_kill = [&](const v1::KillSlotsRequest& request, FakeController::KillWriter* writer,
                            grpc::ServerContext*) {
    writer->Write(Accepted(request));
    source_.request_stop();
    given_up_.WaitForNotification();
    return grpc::Status::CANCELLED;
  };
  const Outcome outcome = cli_.Run({"kill", "name=x", "--batch", "1", "--yes"});
  given_up_.Notify();
  EXPECT_EQ(outcome.code, ExitCode::kInterrupted);
  const std::string id = controller_.applied.at(0).request_id();
  EXPECT_THAT(outcome.err, AllOf(HasSubstr("goes on"), HasSubstr("procctl-cli order " + id),
                                 HasSubstr("order " + id + " --cancel")));
}

TEST_F(OrderCommandTest, ABrokenStreamIsTakenUpAgainByTheOrdersId) {
  controller_.on_kill = [](const v1::KillSlotsRequest& request, FakeController::KillWriter* writer,
                           grpc::ServerContext*) {
    writer->Write(Accepted(request));
    return grpc::Status(grpc::StatusCode::UNAVAILABLE, "going down");
  };
  std::string watched;
  controller_.on_watch_order = [&](const v1::WatchOrderRequest& request,
                                   FakeController::KillWriter* writer) {
    watched = request.request_id();
    writer->Write(Stands(v1::ORDER_STATE_PAUSED, "the controller was started again meanwhile"));
    for (int i = 0; i < 3; ++i) writer->Write(Done(i, v1::VERDICT_KILLED));
    writer->Write(Stands(v1::ORDER_STATE_FINISHED, "all have an outcome"));
    v1::KillSlotsResponse summary;
    summary.mutable_summary();
    writer->Write(summary);
    return grpc::Status::OK;
  };
  const Outcome outcome = cli_.Run({"kill", "name=x", "--batch", "1", "--yes"});
  EXPECT_EQ(outcome.code, ExitCode::kOk) << outcome.err;
  EXPECT_EQ(watched, controller_.applied.at(0).request_id());
  EXPECT_EQ(controller_.applied.size(), 1U) << "nothing is applied twice";
  EXPECT_THAT(outcome.err, HasSubstr("the controller was started again"));
}

TEST_F(OrderCommandTest, AnOrderIsFollowedAndItsTargetsNamedByTheirEvents) {
  v1::StoredEvent stored;
  stored.mutable_event()->set_order_id("r-1/0");
  stored.mutable_event()->set_node("web-01");
  stored.mutable_event()->set_slot("encoder");
  stored.mutable_event()->mutable_incarnation()->set_pid(4182);
  controller_.events = {stored};
  controller_.on_watch_order = [](const v1::WatchOrderRequest&,
                                  FakeController::KillWriter* writer) {
    v1::KillSlotsResponse done = Done(0, v1::VERDICT_EXITED_ON_TERM);
    done.mutable_progress()->set_order_id("r-1/0");
    v1::KillSlotsResponse accepted;
    accepted.mutable_accepted()->set_targets(1);
    writer->Write(accepted);
    writer->Write(done);
    writer->Write(Stands(v1::ORDER_STATE_FINISHED, "all have an outcome"));
    v1::KillSlotsResponse summary;
    summary.mutable_summary();
    writer->Write(summary);
    return grpc::Status::OK;
  };
  const Outcome outcome = cli_.Run({"order", "r-1"});
  EXPECT_EQ(outcome.code, ExitCode::kOk) << outcome.err;
  EXPECT_THAT(outcome.out, AllOf(HasSubstr("web-01/encoder[4182]  SIGTERM ... exited in 0.8s"),
                                 HasSubstr("order r-1: all have an outcome")));
  EXPECT_THAT(cli_.Run({"order", "r-1", "-o", "json"}).out, HasSubstr("\"apiVersion\""));
}

TEST_F(OrderCommandTest, AnOrderThatIsNotKnownIsNothingMatched) {
  EXPECT_EQ(cli_.Run({"order", "r-9"}).code, ExitCode::kNothingMatched);
}

TEST_F(OrderCommandTest, OrdersArePausedAndCancelledAllAtOnce) {
  controller_.order_list = {Order("r-1", v1::ORDER_STATE_PAUSED)};
  const Outcome paused = cli_.Run({"order", "--pause", "--all", "--reason", "lunch"});
  EXPECT_EQ(paused.code, ExitCode::kOk) << paused.err;
  EXPECT_THAT(paused.out, HasSubstr("order r-1: begun by operator/alice: new release; 3 of 10 "
                                    "done, 1 failed, 2 under way, 5 waiting"));
  EXPECT_EQ(cli_.Run({"order", "--cancel", "--all"}).code, ExitCode::kOk);
  EXPECT_EQ(cli_.Run({"order", "r-1", "--pause"}).code, ExitCode::kOk);
  ASSERT_EQ(controller_.steered.size(), 3U);
  EXPECT_TRUE(controller_.steered[0].all());
  EXPECT_EQ(controller_.steered[0].action(), v1::ORDER_ACTION_PAUSE);
  EXPECT_EQ(controller_.steered[0].reason(), "lunch");
  EXPECT_EQ(controller_.steered[1].action(), v1::ORDER_ACTION_CANCEL);
  EXPECT_EQ(controller_.steered[2].request_id(), "r-1");
  controller_.steer_failure = {grpc::StatusCode::FAILED_PRECONDITION, "order r-1 has ended"};
  EXPECT_EQ(cli_.Run({"order", "r-1", "--resume"}).code, ExitCode::kFailed);
}

TEST_F(OrderCommandTest, OrdersAreListed) {
  EXPECT_EQ(cli_.Run({"orders"}).out, "No orders.\n");
  controller_.order_list = {Order("r-2", v1::ORDER_STATE_RUNNING),
                            Order("r-1", v1::ORDER_STATE_FINISHED)};
  const Outcome all = cli_.Run({"orders"});
  EXPECT_EQ(all.code, ExitCode::kOk) << all.err;
  EXPECT_THAT(all.out,
              AllOf(HasSubstr("ORDER"), HasSubstr("r-2"), HasSubstr("finished"), HasSubstr("2/5")));
  EXPECT_THAT(cli_.Run({"orders", "--running"}).out, Not(HasSubstr("r-1")));
  EXPECT_THAT(cli_.Run({"orders", "-n", "1"}).out, Not(HasSubstr("r-1")));
  EXPECT_THAT(cli_.Run({"orders", "-o", "json"}).out, HasSubstr("\"orders\":["));
}

}  // namespace
}  // namespace procctl::cli
