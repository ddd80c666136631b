// HoldSlots against a real server and fake nodes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "proto/support/time_convert.h"
#include "tests/controller/rpc/server_fixture.h"

namespace procctl::controller {
namespace {

using std::chrono::seconds;
using ::testing::HasSubstr;

class HoldTest : public ServerTest {
 protected:
  // Takes the next order to hold or to release and answers it with an event of that kind.
  static v1::HoldOrder Answer(FakeNode* node, std::int64_t seq,
                              v1::EventKind kind = v1::EVENT_KIND_HOLD_PLACED) {
    const v1::SessionResponse response = node->Receive();
    EXPECT_TRUE(response.has_hold());
    v1::Event event = node->MakeAnswer(5, seq, response.hold(), kind);
    if (kind == v1::EVENT_KIND_VERDICT) {
      event.set_verdict(v1::VERDICT_IDENTITY_MISMATCH);
      event.set_message("pid 4242 is another process now");
    }
    EXPECT_TRUE(node->SendEvents({event}));
    return response.hold();
  }
  // True if no order came before: the node is asked nothing by the server beyond its events.
  static bool HearsOnlyAnAck(FakeNode* node, std::int64_t seq) {
    return node->SendEvents({node->MakeEvent(5, seq)}) && node->Receive().has_event_ack();
  }
};

TEST_F(HoldTest, AnOrderIsSentAndItsCommittedEventIsTheOutcome) {
  auto node = Node("web-01");
  ASSERT_TRUE(node->Connect());
  v1::HoldOrder order;
  std::thread guardian([&] { order = Answer(node.get(), 1); });
  const Hold hold = RunHold(HoldRequest("h-1", {"web-01"}));
  guardian.join();
  ASSERT_TRUE(hold.status.ok()) << hold.status.error_message();
  EXPECT_EQ(order.order_id(), "h-1/0");
  EXPECT_EQ(order.issuer(), "operator/alice") << "from the certificate, never from the request";
  EXPECT_EQ(order.reason(), "migration");
  EXPECT_EQ(order.slot(), "encoder");
  EXPECT_EQ(order.incarnation().generation(), 7);
  EXPECT_FALSE(order.release());
  EXPECT_EQ(FromProto(order.hold_for()), seconds(600));
  EXPECT_EQ(FromProto(order.time_to_live()), seconds(30));
  ASSERT_EQ(hold.response.outcomes_size(), 1);
  EXPECT_EQ(hold.outcome(0).order_id(), "h-1/0");
  EXPECT_TRUE(hold.outcome(0).done());
  EXPECT_EQ(hold.outcome(0).until().seconds(), 2'000'000'000);
  EXPECT_EQ(Events("kind=hold_placed order=h-1/0").size(), 1U);
}

TEST_F(HoldTest, EachTargetHasItsOwnOutcomeAndAReleaseNeedsNoTime) {
  auto a = Node("web-01");
  auto b = Node("web-02");
  ASSERT_TRUE(a->Connect());
  ASSERT_TRUE(b->Connect());
  v1::HoldSlotsRequest request = HoldRequest("h-1", {"web-01", "web-02"});
  request.set_release(true);
  request.clear_hold_for();
  request.clear_reason();
  v1::HoldOrder order;
  std::thread first([&] { order = Answer(a.get(), 1, v1::EVENT_KIND_HOLD_ENDED); });
  std::thread second([&] { Answer(b.get(), 1, v1::EVENT_KIND_VERDICT); });
  const Hold hold = RunHold(request);
  first.join();
  second.join();
  ASSERT_TRUE(hold.status.ok()) << hold.status.error_message();
  EXPECT_TRUE(order.release());
  ASSERT_EQ(hold.response.outcomes_size(), 2);
  EXPECT_TRUE(hold.outcome(0).done());
  EXPECT_FALSE(hold.outcome(1).done());
  EXPECT_EQ(hold.outcome(1).verdict(), v1::VERDICT_IDENTITY_MISMATCH);
  EXPECT_THAT(hold.outcome(1).message(), HasSubstr("another process"));
}

TEST_F(HoldTest, ARepeatReturnsTheRecordedOutcomeAndAsksNobodyAlsoAfterARestart) {
  {
    auto node = Node("web-01");
    ASSERT_TRUE(node->Connect());
    std::thread guardian([&] { Answer(node.get(), 1); });
    ASSERT_TRUE(RunHold(HoldRequest("h-1", {"web-01"})).status.ok());
    guardian.join();
    const Hold repeat = RunHold(HoldRequest("h-1", {"web-01"}));
    ASSERT_TRUE(repeat.status.ok()) << repeat.status.error_message();
    EXPECT_TRUE(repeat.outcome(0).done());
    EXPECT_EQ(repeat.outcome(0).until().seconds(), 2'000'000'000);
  }
  Restart();
  auto node = Node("web-01");
  ASSERT_TRUE(node->Connect());
  const Hold repeat = RunHold(HoldRequest("h-1", {"web-01"}));
  ASSERT_TRUE(repeat.status.ok()) << repeat.status.error_message();
  EXPECT_TRUE(repeat.outcome(0).done());
  EXPECT_TRUE(HearsOnlyAnAck(node.get(), 2));
}

TEST_F(HoldTest, TwoCallersOfOneRequestShareItsOrders) {
  auto node = Node("web-01");
  ASSERT_TRUE(node->Connect());
  Hold first;
  Hold second;
  std::thread one([&] { first = RunHold(HoldRequest("h-1", {"web-01"})); });
  std::thread two([&] { second = RunHold(HoldRequest("h-1", {"web-01"})); });
  Answer(node.get(), 1);
  one.join();
  two.join();
  ASSERT_TRUE(first.status.ok()) << first.status.error_message();
  ASSERT_TRUE(second.status.ok()) << second.status.error_message();
  EXPECT_TRUE(first.outcome(0).done());
  EXPECT_TRUE(second.outcome(0).done());
  EXPECT_TRUE(node->AwaitAck(5, 1));
  EXPECT_TRUE(HearsOnlyAnAck(node.get(), 2));
}

TEST_F(HoldTest, AnIdNamesOneRequestWhateverItAsksFor) {
  ASSERT_TRUE(RunHold(HoldRequest("h-1", {"nobody"})).status.ok());
  const Hold other = RunHold(HoldRequest("h-1", {"nobody", "web-02"}));
  EXPECT_EQ(other.status.error_code(), grpc::StatusCode::ALREADY_EXISTS);
  EXPECT_THAT(other.status.error_message(), HasSubstr("other targets"));
  v1::HoldSlotsRequest release = HoldRequest("h-1", {"nobody"});
  release.set_release(true);
  release.clear_hold_for();
  EXPECT_EQ(RunHold(release).status.error_code(), grpc::StatusCode::ALREADY_EXISTS);
  EXPECT_EQ(RunKill(KillRequest("h-1", {"nobody"})).status.error_code(),
            grpc::StatusCode::ALREADY_EXISTS);
  ASSERT_TRUE(RunKill(KillRequest("k-1", {"nobody"})).status.ok());
  EXPECT_EQ(RunHold(HoldRequest("k-1", {"nobody"})).status.error_code(),
            grpc::StatusCode::ALREADY_EXISTS);
}

TEST_F(HoldTest, WhatCannotLeaveIsRefusedAtOnceAndRecorded) {
  auto node = Node("web-01");
  ASSERT_TRUE(node->Connect());
  ASSERT_TRUE(node->End().ok());
  const Hold hold = RunHold(HoldRequest("h-1", {"web-01", "never-seen"}));
  ASSERT_TRUE(hold.status.ok()) << hold.status.error_message();
  EXPECT_EQ(hold.outcome(0).verdict(), v1::VERDICT_REFUSED);
  EXPECT_EQ(hold.outcome(0).refusal(), v1::REFUSAL_NODE_UNREACHABLE);
  EXPECT_THAT(hold.outcome(0).message(), HasSubstr("nothing is held"));
  EXPECT_EQ(hold.outcome(1).refusal(), v1::REFUSAL_NO_SUCH_NODE);
  const auto events = Events("verdict=refused order=h-1/1");
  ASSERT_EQ(events.size(), 1U);
  EXPECT_EQ(events[0].issuer(), "operator/alice");
}

TEST_F(HoldTest, ANodeThatKnowsNoHoldsIsSentNoneAndTheCallerIsToldToUpdateIt) {
  auto node = Node("web-01");
  node->set_features({"details"});
  ASSERT_TRUE(node->Connect());
  const Hold hold = RunHold(HoldRequest("h-1", {"web-01"}));
  ASSERT_TRUE(hold.status.ok()) << hold.status.error_message();
  EXPECT_FALSE(hold.outcome(0).done());
  EXPECT_EQ(hold.outcome(0).verdict(), v1::VERDICT_REFUSED);
  EXPECT_THAT(hold.outcome(0).message(), HasSubstr("update procctl there"));
  EXPECT_TRUE(HearsOnlyAnAck(node.get(), 1));
}

TEST_F(HoldTest, AnOrderWithoutAnAnswerGoesOutAgainWhenItsNodeReturns) {
  auto node = Node("web-01");
  ASSERT_TRUE(node->Connect());
  Hold hold;
  std::thread caller([&] { hold = RunHold(HoldRequest("h-1", {"web-01"})); });
  EXPECT_TRUE(node->Receive().has_hold());
  node->Cancel();
  auto again = Node("web-01");
  EXPECT_TRUE(again->Connect());
  const v1::HoldOrder order = Answer(again.get(), 1);
  caller.join();
  ASSERT_TRUE(hold.status.ok()) << hold.status.error_message();
  EXPECT_TRUE(hold.outcome(0).done());
  EXPECT_EQ(order.order_id(), "h-1/0");
  EXPECT_LE(FromProto(order.time_to_live()), seconds(30));
}

TEST_F(HoldTest, TheHoldStandsWithoutItsCallerAndCanBeFoundAgain) {
  auto node = Node("web-01");
  ASSERT_TRUE(node->Connect());
  const auto caller = Caller(Role::kOperator);
  Call call;
  grpc::Status status;
  std::thread thread([&] {
    v1::HoldSlotsResponse response;
    status = caller->HoldSlots(&call, HoldRequest("h-1", {"web-01"}), &response);
  });
  const v1::SessionResponse order = node->Receive();
  EXPECT_TRUE(order.has_hold());
  call.TryCancel();
  thread.join();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::CANCELLED);
  EXPECT_TRUE(node->SendEvents({node->MakeAnswer(5, 1, order.hold(), v1::EVENT_KIND_HOLD_PLACED)}));
  EXPECT_TRUE(node->AwaitAck(5, 1));
  const Hold repeat = RunHold(HoldRequest("h-1", {"web-01"}));
  ASSERT_TRUE(repeat.status.ok()) << repeat.status.error_message();
  EXPECT_TRUE(repeat.outcome(0).done());
}

TEST_F(HoldTest, AControllerThatGoesDownSaysThatTheOrdersStand) {
  auto node = Node("web-01");
  ASSERT_TRUE(node->Connect());
  Hold hold;
  std::thread caller([&] { hold = RunHold(HoldRequest("h-1", {"web-01"})); });
  EXPECT_TRUE(node->Receive().has_hold());
  server_->Stop();
  caller.join();
  EXPECT_EQ(hold.status.error_code(), grpc::StatusCode::UNAVAILABLE);
}

TEST_F(HoldTest, AMalformedRequestIsToldWhatIsWrong) {
  v1::HoldSlotsRequest request = HoldRequest("h-1", {"web-01"});
  request.clear_hold_for();
  Hold hold = RunHold(request);
  EXPECT_EQ(hold.status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(hold.status.error_message(), HasSubstr("hold_for"));
  request.mutable_hold_for()->set_seconds(24 * 3600 + 1);
  EXPECT_THAT(RunHold(request).status.error_message(), HasSubstr("24 hours"));
  request = HoldRequest("h-1", {"web-01"});
  request.clear_reason();
  EXPECT_THAT(RunHold(request).status.error_message(), HasSubstr("reason"));
  request = HoldRequest("not an id", {"web-01"});
  EXPECT_THAT(RunHold(request).status.error_message(), HasSubstr("request_id"));
}

TEST_F(HoldTest, AViewerMayNot) {
  EXPECT_EQ(RunHold(HoldRequest("h-1", {"web-01"}), Role::kViewer).status.error_code(),
            grpc::StatusCode::PERMISSION_DENIED);
}

TEST_F(HoldTest, AThousandTargetsOfOneRequestAllHaveAnOutcome) {
  const Hold hold = RunHold(HoldRequest("h-1", std::vector<std::string>(1000, "nobody")));
  ASSERT_TRUE(hold.status.ok()) << hold.status.error_message();
  ASSERT_EQ(hold.response.outcomes_size(), 1000);
  for (const v1::HoldOutcome& outcome : hold.response.outcomes()) {
    EXPECT_EQ(outcome.refusal(), v1::REFUSAL_NO_SUCH_NODE);
  }
}

}  // namespace
}  // namespace procctl::controller
