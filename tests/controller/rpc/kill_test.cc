// KillSlots against a real server and fake nodes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "proto/support/time_convert.h"
#include "tests/controller/rpc/server_fixture.h"

namespace procctl::controller {
namespace {

using ::testing::HasSubstr;

class KillTest : public ServerTest {
 protected:
  // Takes the next order and answers it with `verdict`.
  static v1::Order Answer(FakeNode* node, std::int64_t seq, v1::Verdict verdict) {
    const v1::SessionResponse response = node->Receive();
    EXPECT_TRUE(response.has_order());
    EXPECT_TRUE(node->SendEvents({node->MakeVerdict(5, seq, response.order(), verdict)}));
    return response.order();
  }
};

TEST_F(KillTest, AnOrderIsDispatchedAndItsVerdictTold) {
  auto node = Node("web-01");
  ASSERT_TRUE(node->Connect());
  v1::Order order;
  std::thread guardian([&] { order = Answer(node.get(), 1, v1::VERDICT_EXITED_ON_TERM); });
  const Kill kill = RunKill(KillRequest("r-1", {"web-01"}));
  guardian.join();
  ASSERT_TRUE(kill.status.ok()) << kill.status.error_message();
  EXPECT_EQ(order.order_id(), "r-1/0");
  EXPECT_EQ(order.issuer(), "operator/alice") << "from the certificate, never from the request";
  EXPECT_EQ(order.reason(), "stuck");
  EXPECT_EQ(order.incarnation().generation(), 7);
  EXPECT_EQ(FromProto(order.time_to_live()), std::chrono::seconds(30));
  ASSERT_TRUE(kill.messages.front().has_accepted());
  EXPECT_FALSE(kill.messages.front().accepted().repeated_request());
  EXPECT_TRUE(kill.Last(0).done());
  EXPECT_EQ(kill.Last(0).phase(), v1::KILL_PHASE_DONE);
  EXPECT_EQ(kill.Last(0).verdict(), v1::VERDICT_EXITED_ON_TERM);
  EXPECT_EQ(kill.summary().stopped(), 1);
  EXPECT_EQ(Events("kind=verdict order=r-1/0").size(), 1U);
}

TEST_F(KillTest, ARepeatReturnsTheRecordedVerdictAndSignalsNobodyAlsoAfterARestart) {
  {
    auto node = Node("web-01");
    ASSERT_TRUE(node->Connect());
    std::thread guardian([&] { Answer(node.get(), 1, v1::VERDICT_KILLED); });
    ASSERT_TRUE(RunKill(KillRequest("r-1", {"web-01"})).status.ok());
    guardian.join();
    const Kill repeat = RunKill(KillRequest("r-1", {"web-01"}));
    ASSERT_TRUE(repeat.status.ok()) << repeat.status.error_message();
    EXPECT_TRUE(repeat.messages.front().accepted().repeated_request());
    EXPECT_EQ(repeat.Last(0).verdict(), v1::VERDICT_KILLED);
    EXPECT_EQ(repeat.summary().stopped(), 1);
  }
  Restart();
  auto node = Node("web-01");
  ASSERT_TRUE(node->Connect());
  const Kill repeat = RunKill(KillRequest("r-1", {"web-01"}));
  ASSERT_TRUE(repeat.status.ok()) << repeat.status.error_message();
  EXPECT_EQ(repeat.Last(0).verdict(), v1::VERDICT_KILLED);
  ASSERT_TRUE(node->SendEvents({node->MakeEvent(5, 2)}));
  EXPECT_TRUE(node->Receive().has_event_ack()) << "no order came before";
}

TEST_F(KillTest, ARepeatWithOtherTargetsIsRefused) {
  ASSERT_TRUE(RunKill(KillRequest("r-1", {"nobody"})).status.ok());
  const Kill other = RunKill(KillRequest("r-1", {"nobody", "web-02"}));
  EXPECT_EQ(other.status.error_code(), grpc::StatusCode::ALREADY_EXISTS);
  EXPECT_THAT(other.status.error_message(), HasSubstr("other targets"));
}

TEST_F(KillTest, WhatCannotLeaveIsRefusedAtOnceAndRecorded) {
  auto node = Node("web-01");
  ASSERT_TRUE(node->Connect());
  ASSERT_TRUE(node->End().ok());
  const Kill kill = RunKill(KillRequest("r-1", {"web-01", "never-seen"}));
  ASSERT_TRUE(kill.status.ok()) << kill.status.error_message();
  EXPECT_EQ(kill.Last(0).verdict(), v1::VERDICT_REFUSED);
  EXPECT_EQ(kill.Last(0).refusal(), v1::REFUSAL_NODE_UNREACHABLE);
  EXPECT_EQ(kill.Last(1).refusal(), v1::REFUSAL_NO_SUCH_NODE);
  EXPECT_EQ(kill.summary().failed(), 2);
  const auto events = Events("verdict=refused node=never-seen");
  ASSERT_FALSE(events.empty());
  EXPECT_EQ(events[0].issuer(), "operator/alice");
  EXPECT_EQ(events[0].id().origin(), "@" + options_.identity.id);
}

TEST_F(KillTest, TheKillGoesOnWithoutItsCallerAndCanBeFoundAgain) {
  auto node = Node("web-01");
  ASSERT_TRUE(node->Connect());
  {
    Call call;
    const auto caller = Caller(Role::kOperator);
    const auto stream = caller->KillSlots(&call, KillRequest("r-1", {"web-01"}));
    v1::KillSlotsResponse response;
    ASSERT_TRUE(stream->Read(&response));
    call.TryCancel();
    while (stream->Read(&response)) {
    }
    (void)stream->Finish();
  }
  const v1::SessionResponse response = node->Receive();
  ASSERT_TRUE(response.has_order());
  std::thread guardian([&] {
    EXPECT_TRUE(node->SendEvents({node->MakeVerdict(5, 1, response.order(), v1::VERDICT_KILLED)}));
  });
  const Kill kill = RunKill(KillRequest("r-1", {"web-01"}));
  guardian.join();
  ASSERT_TRUE(kill.status.ok()) << kill.status.error_message();
  EXPECT_TRUE(kill.messages.front().accepted().repeated_request());
  EXPECT_EQ(kill.Last(0).verdict(), v1::VERDICT_KILLED);
}

TEST_F(KillTest, ACallerThatLeavesInTheMiddleOfAWriteHoldsUpNobody) {
  // More progress than the connection takes for somebody who does not read: a write is under way
  // when the caller goes.
  constexpr std::size_t kTargets = 1000;
  std::vector<std::string> nodes;
  for (std::size_t i = 0; i < kTargets; ++i) {
    nodes.push_back("never-seen-" + std::string(45, 'x') + std::to_string(i));
  }
  // Which of the two ends is seen first, the write's or the call's, is chance.
  for (std::size_t round = 1; round <= 10; ++round) {
    Call call;
    const auto caller = Caller(Role::kOperator);
    const auto stream = caller->KillSlots(&call, KillRequest("r-" + std::to_string(round), nodes));
    v1::KillSlotsResponse response;
    ASSERT_TRUE(stream->Read(&response));
    while (Events("order=r-" + std::to_string(round) + "/*").size() < kTargets) {
      std::this_thread::yield();
    }
    call.TryCancel();
    while (stream->Read(&response)) {
    }
    EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::CANCELLED);
  }
  server_.reset();  // waits for every call
}

TEST_F(KillTest, AnOrderWithoutAVerdictGoesOutAgainWhenItsNodeReturns) {
  auto node = Node("web-01");
  ASSERT_TRUE(node->Connect());
  Kill kill;
  std::thread caller([&] { kill = RunKill(KillRequest("r-1", {"web-01"})); });
  const v1::SessionResponse lost = node->Receive();
  EXPECT_EQ(lost.order().order_id(), "r-1/0");
  node = Node("web-01");
  EXPECT_TRUE(node->Connect());
  const v1::Order again = Answer(node.get(), 1, v1::VERDICT_KILLED);
  caller.join();
  EXPECT_EQ(again.order_id(), "r-1/0") << "the node knows it by this id";
  EXPECT_LT(FromProto(again.time_to_live()), std::chrono::seconds(30)) << "only what is left of it";
  EXPECT_TRUE(kill.status.ok()) << kill.status.error_message();
}

TEST_F(KillTest, ANodeCannotAnswerForAnother) {
  auto victim = Node("web-01");
  auto liar = Node("web-02");
  ASSERT_TRUE(victim->Connect());
  ASSERT_TRUE(liar->Connect());
  Kill kill;
  std::thread caller([&] { kill = RunKill(KillRequest("r-1", {"web-01"})); });
  const v1::Order order = victim->Receive().order();
  v1::Event lie = liar->MakeVerdict(5, 1, order, v1::VERDICT_GONE_ALREADY);
  lie.set_node("web-01");
  EXPECT_TRUE(liar->SendEvents({lie}));
  EXPECT_TRUE(liar->AwaitAck(5, 1));
  EXPECT_TRUE(victim->SendEvents({victim->MakeVerdict(5, 1, order, v1::VERDICT_KILLED)}));
  caller.join();
  EXPECT_EQ(kill.Last(0).verdict(), v1::VERDICT_KILLED);
}

TEST_F(KillTest, AMalformedRequestIsToldWhatIsWrong) {
  const Kill kill = RunKill(KillRequest("not/an/id", {"web-01"}));
  EXPECT_EQ(kill.status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(kill.status.error_message(), HasSubstr("request_id"));
  auto request = KillRequest("r-1", {"web-01"});
  request.mutable_targets(0)->clear_incarnation();
  EXPECT_THAT(RunKill(request).status.error_message(), HasSubstr("targets[0]"));
}

TEST_F(KillTest, AViewerMayNot) {
  const Kill kill = RunKill(KillRequest("r-1", {"web-01"}), Role::kViewer);
  EXPECT_EQ(kill.status.error_code(), grpc::StatusCode::PERMISSION_DENIED);
  EXPECT_THAT(kill.status.error_message(), HasSubstr("needs the role operator or admin"));
  Settle();
  EXPECT_EQ(Events("kind=access_refused").size(), 1U);
}

TEST_F(KillTest, AThousandTargetsOfOneRequestAllHaveAnOutcome) {
  auto node = Node("web-01");
  ASSERT_TRUE(node->Connect());
  std::thread guardian([&] {
    for (std::int64_t seq = 1; seq <= 1000; ++seq) {
      v1::SessionResponse response = node->Receive();
      while (response.has_event_ack()) response = node->Receive();
      ASSERT_TRUE(response.has_order());
      ASSERT_TRUE(
          node->SendEvents({node->MakeVerdict(5, seq, response.order(), v1::VERDICT_KILLED)}));
    }
  });
  const Kill kill = RunKill(KillRequest("r-1", std::vector<std::string>(1000, "web-01")));
  guardian.join();
  ASSERT_TRUE(kill.status.ok()) << kill.status.error_message();
  EXPECT_EQ(kill.summary().stopped(), 1000);
}

}  // namespace
}  // namespace procctl::controller
