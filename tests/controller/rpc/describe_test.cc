// Describe against a real server and fake nodes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>
#include <thread>

#include "tests/controller/rpc/server_fixture.h"

namespace procctl::controller {
namespace {

using ::testing::HasSubstr;

class DescribeTest : public ServerTest {
 protected:
  struct Description {
    v1::DescribeResponse response;
    grpc::Status status;
  };
  // Five seconds are all that an answer has, so no handshake may come between two calls of a test.
  void SetUp() override {
    ServerTest::SetUp();
    viewer_ = Caller(Role::kViewer);
  }
  Description Describe(const std::string& node, std::int64_t generation) {
    return Describe(viewer_.get(), node, generation);
  }
  static Description Describe(v1::FleetService::Stub* caller, const std::string& node,
                              std::int64_t generation) {
    Description description;
    v1::DescribeRequest request;
    request.set_node(node);
    request.set_generation(generation);
    Call call;
    description.status = caller->Describe(&call, request, &description.response);
    return description;
  }

  // The next question to the node.
  static v1::DetailRequest Question(FakeNode* node) {
    const v1::SessionResponse response = node->Receive();
    EXPECT_TRUE(response.has_detail());
    return response.detail();
  }
  static v1::DetailReply SlotReply(const v1::DetailRequest& question) {
    v1::DetailReply reply;
    reply.set_request(question.request());
    *reply.mutable_slot()->mutable_slot() = MakeSlot("encoder", question.generation());
    reply.mutable_slot()->set_beats(99);
    return reply;
  }

  std::unique_ptr<v1::FleetService::Stub> viewer_;
};

TEST_F(DescribeTest, ASlotIsDescribedByItsNode) {
  auto node = Node("web-01");
  ASSERT_TRUE(node->Connect());
  std::thread guardian([&] {
    const v1::DetailRequest question = Question(node.get());
    EXPECT_EQ(question.generation(), 7);
    EXPECT_TRUE(node->SendDetail(SlotReply(question)));
  });
  const Description description = Describe("web-01", 7);
  guardian.join();
  ASSERT_TRUE(description.status.ok()) << description.status.error_message();
  EXPECT_EQ(description.response.slot().beats(), 99U);
  EXPECT_EQ(description.response.slot().slot().label(), "encoder");
  EXPECT_FALSE(description.response.has_node_detail());
  EXPECT_EQ(description.response.node().id(), "web-01");
  EXPECT_EQ(description.response.node().state(), v1::NODE_STATE_CONNECTED);
}

TEST_F(DescribeTest, ANodeDescribesItself) {
  auto node = Node("web-01");
  ASSERT_TRUE(node->Connect());
  std::thread guardian([&] {
    v1::DetailReply reply;
    const v1::DetailRequest question = Question(node.get());
    EXPECT_EQ(question.generation(), 0);
    reply.set_request(question.request());
    (void)reply.mutable_node();
    EXPECT_TRUE(node->SendDetail(reply));
  });
  const Description description = Describe("web-01", 0);
  guardian.join();
  ASSERT_TRUE(description.status.ok()) << description.status.error_message();
  EXPECT_TRUE(description.response.has_node_detail());
  EXPECT_FALSE(description.response.has_slot());
}

TEST_F(DescribeTest, WhatIsNotThereIsNotFound) {
  auto node = Node("web-01");
  ASSERT_TRUE(node->Connect());
  std::thread guardian([&] {
    v1::DetailReply reply;
    reply.set_request(Question(node.get()).request());
    EXPECT_TRUE(node->SendDetail(reply));
  });
  const Description description = Describe("web-01", 7);
  guardian.join();
  EXPECT_EQ(description.status.error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_THAT(description.status.error_message(), HasSubstr("generation 7"));
  EXPECT_EQ(Describe("never-seen", 7).status.error_code(), grpc::StatusCode::NOT_FOUND);
}

TEST_F(DescribeTest, ANodeThatCannotBeHeardOrIsTooOldIsToldAtOnce) {
  auto gone = Node("web-01");
  ASSERT_TRUE(gone->Connect());
  ASSERT_TRUE(gone->End().ok());
  const Description unheard = Describe("web-01", 7);
  EXPECT_EQ(unheard.status.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_THAT(unheard.status.error_message(), HasSubstr("cannot be heard"));
  auto old = Node("web-02");
  old->set_features({"holds"});
  ASSERT_TRUE(old->Connect());
  const Description outdated = Describe("web-02", 7);
  EXPECT_EQ(outdated.status.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_THAT(outdated.status.error_message(), HasSubstr("update procctl there"));
  ASSERT_TRUE(old->SendEvents({old->MakeEvent(5, 1)}));
  EXPECT_TRUE(old->Receive().has_event_ack()) << "it was asked nothing";
}

TEST_F(DescribeTest, ANodeThatDisconnectsMeanwhileEndsTheCallAtOnce) {
  auto node = Node("web-01");
  ASSERT_TRUE(node->Connect());
  Description description;
  std::thread caller([&] { description = Describe("web-01", 7); });
  (void)Question(node.get());
  node->Cancel();
  caller.join();
  EXPECT_EQ(description.status.error_code(), grpc::StatusCode::UNAVAILABLE)
      << description.status.error_message();
  EXPECT_THAT(description.status.error_message(), HasSubstr("ended before it answered"));
}

TEST_F(DescribeTest, ASupersededSessionAnswersNothingMore) {
  auto node = Node("web-01");
  ASSERT_TRUE(node->Connect());
  auto newer = Node("web-01");
  Description description;
  std::thread caller([&] { description = Describe("web-01", 7); });
  (void)Question(node.get());
  EXPECT_TRUE(newer->Connect());
  caller.join();
  EXPECT_EQ(description.status.error_code(), grpc::StatusCode::UNAVAILABLE)
      << description.status.error_message();
}

TEST_F(DescribeTest, TwoAtOnceEachGetTheirOwnAnswer) {
  auto node = Node("web-01");
  ASSERT_TRUE(node->Connect());
  Description seven;
  Description eight;
  std::thread first([&] { seven = Describe("web-01", 7); });
  std::thread second([&] { eight = Describe("web-01", 8); });
  const v1::DetailRequest one = Question(node.get());
  const v1::DetailRequest two = Question(node.get());
  EXPECT_NE(one.request(), two.request());
  EXPECT_TRUE(node->SendDetail(SlotReply(two)));
  EXPECT_TRUE(node->SendDetail(SlotReply(one)));
  first.join();
  second.join();
  ASSERT_TRUE(seven.status.ok()) << seven.status.error_message();
  ASSERT_TRUE(eight.status.ok()) << eight.status.error_message();
  EXPECT_EQ(seven.response.slot().slot().incarnation().generation(), 7);
  EXPECT_EQ(eight.response.slot().slot().incarnation().generation(), 8);
}

TEST_F(DescribeTest, ACallThatIsCancelledInFlightLeavesNothingBehind) {
  auto node = Node("web-01");
  ASSERT_TRUE(node->Connect());
  v1::DescribeRequest request;
  request.set_node("web-01");
  request.set_generation(7);
  Call call;
  grpc::Status status;
  std::thread thread([&] {
    v1::DescribeResponse response;
    status = viewer_->Describe(&call, request, &response);
  });
  const v1::DetailRequest question = Question(node.get());
  call.TryCancel();
  thread.join();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::CANCELLED);
  // The answer that nobody waits for any more, and one that nobody ever asked for.
  EXPECT_TRUE(node->SendDetail(SlotReply(question)));
  EXPECT_TRUE(node->SendDetail(SlotReply(question)));
  ASSERT_TRUE(node->SendEvents({node->MakeEvent(5, 1)}));
  EXPECT_TRUE(node->AwaitAck(5, 1)) << "the session goes on";
}

TEST_F(DescribeTest, ANodeCannotAnswerForAnother) {
  auto node = Node("web-01");
  auto other = Node("web-02");
  ASSERT_TRUE(node->Connect());
  ASSERT_TRUE(other->Connect());
  Description description;
  std::thread caller([&] { description = Describe("web-01", 7); });
  const v1::DetailRequest question = Question(node.get());
  v1::DetailReply lie = SlotReply(question);
  lie.mutable_slot()->set_beats(1);
  EXPECT_TRUE(other->SendDetail(lie));
  EXPECT_TRUE(other->SendEvents({other->MakeEvent(5, 1)}));
  EXPECT_TRUE(other->AwaitAck(5, 1)) << "the lie was read";
  EXPECT_TRUE(node->SendDetail(SlotReply(question)));
  caller.join();
  ASSERT_TRUE(description.status.ok()) << description.status.error_message();
  EXPECT_EQ(description.response.slot().beats(), 99U);
}

TEST_F(DescribeTest, ANodeThatGivesNoAnswerIsGivenUpAfterFiveSeconds) {
  auto node = Node("web-01");
  ASSERT_TRUE(node->Connect());
  const auto began = std::chrono::steady_clock::now();
  const Description description = Describe("web-01", 7);
  EXPECT_EQ(description.status.error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
  EXPECT_THAT(description.status.error_message(), HasSubstr("no answer within 5"));
  EXPECT_GE(std::chrono::steady_clock::now() - began, std::chrono::seconds(5));
}

TEST_F(DescribeTest, TooManyForOneNodeAreRefusedAndTheOthersAreAnswered) {
  auto node = Node("web-01");
  ASSERT_TRUE(node->Connect());
  std::deque<Description> descriptions(16);
  std::vector<std::thread> callers;
  for (Description& description : descriptions) {
    callers.emplace_back([this, &description] { description = Describe("web-01", 7); });
  }
  std::vector<v1::DetailRequest> questions;
  while (questions.size() < descriptions.size()) questions.push_back(Question(node.get()));
  EXPECT_EQ(Describe("web-01", 7).status.error_code(), grpc::StatusCode::UNAVAILABLE);
  for (const v1::DetailRequest& question : questions) {
    EXPECT_TRUE(node->SendDetail(SlotReply(question)));
  }
  for (std::thread& caller : callers) caller.join();
  for (const Description& description : descriptions) {
    EXPECT_TRUE(description.status.ok()) << description.status.error_message();
  }
}

TEST_F(DescribeTest, AControllerThatGoesDownEndsItAtOnce) {
  auto node = Node("web-01");
  ASSERT_TRUE(node->Connect());
  Description description;
  std::thread caller([&] { description = Describe("web-01", 7); });
  (void)Question(node.get());
  server_->Stop();
  caller.join();
  EXPECT_EQ(description.status.error_code(), grpc::StatusCode::UNAVAILABLE);
}

TEST_F(DescribeTest, WrongArgumentsAndRolesAreRefused) {
  EXPECT_EQ(Describe("", 7).status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(Describe("web-01", -1).status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(Describe(Caller(Role::kNode, "web-01").get(), "web-01", 7).status.error_code(),
            grpc::StatusCode::PERMISSION_DENIED);
}

}  // namespace
}  // namespace procctl::controller
