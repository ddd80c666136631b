// Sessions of nodes against a real server.
#include <gmock/gmock.h>
#include <grpcpp/completion_queue.h>
#include <grpcpp/generic/generic_stub.h>
#include <gtest/gtest.h>

#include "tests/controller/rpc/server_fixture.h"

namespace procctl::controller {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class SessionTest : public ServerTest {};

TEST_F(SessionTest, ANodeIsWelcomedAndItsSlotsAreListed) {
  auto node = Node("web-01");
  ASSERT_TRUE(node->Connect());
  EXPECT_EQ(node->welcome().session_epoch(), 1);
  EXPECT_EQ(node->welcome().protocol(), 1);
  EXPECT_TRUE(node->SendSnapshot({MakeSlot("encoder", 1), MakeSlot("mixer", 2)}));
  ASSERT_TRUE(node->SendEvents({node->MakeEvent(5, 1)}));
  ASSERT_TRUE(node->AwaitAck(5, 1)) << "and so the snapshot before it is applied";
  EXPECT_THAT(Slots(), ElementsAre("web-01/encoder ALIVE", "web-01/mixer ALIVE"));
  EXPECT_THAT(Slots("name=mix*"), ElementsAre("web-01/mixer ALIVE"));

  v1::ListNodesResponse nodes;
  Call call;
  ASSERT_TRUE(Caller(Role::kViewer)->ListNodes(&call, {}, &nodes).ok());
  ASSERT_EQ(nodes.nodes_size(), 1);
  EXPECT_EQ(nodes.nodes(0).state(), v1::NODE_STATE_CONNECTED);
  EXPECT_EQ(nodes.nodes(0).hostname(), "host-of-web-01");
  EXPECT_EQ(nodes.nodes(0).slots(), 2);
  EXPECT_THAT(nodes.nodes(0).peer(), HasSubstr("127.0.0.1:"));
  EXPECT_EQ(Events("kind=node_connected node=web-01").size(), 1U);
}

TEST_F(SessionTest, ARowIsListedWithAllThatItsNodeSays) {
  v1::Slot slot = MakeSlot("encoder", 1);
  slot.set_state(v1::SLOT_STATE_BUSY);
  slot.set_note("last words");
  slot.set_phase("reindex");
  slot.set_observe(true);
  slot.mutable_hold()->set_owner("operator/alice");
  slot.mutable_hold()->set_reason("migration");
  slot.mutable_hold()->mutable_until()->set_seconds(2'000'000'000);
  slot.mutable_timeout()->set_seconds(5);
  slot.mutable_silence()->set_seconds(1);
  slot.mutable_registered_at()->set_seconds(1'700'000'000);
  slot.mutable_progress_limit()->set_seconds(60);
  slot.mutable_progress_silence()->set_seconds(2);
  slot.mutable_special_limit()->set_seconds(600);
  auto node = Node("web-01");
  ASSERT_TRUE(node->Connect());
  EXPECT_TRUE(node->SendSnapshot({slot}));
  ASSERT_TRUE(node->SendEvents({node->MakeEvent(5, 1)}));
  ASSERT_TRUE(node->AwaitAck(5, 1));
  v1::ListSlotsRequest request;
  v1::ListSlotsResponse response;
  request.set_filter("state=busy");
  Call call;
  ASSERT_TRUE(Caller(Role::kViewer)->ListSlots(&call, request, &response).ok());
  ASSERT_EQ(response.slots_size(), 1);
  EXPECT_EQ(response.slots(0).slot().SerializeAsString(), slot.SerializeAsString());
  EXPECT_EQ(response.summary().slots_in_trouble(), 0);
}

TEST_F(SessionTest, ASlotThatNeedNotBeatIsListedWithoutATimeout) {
  auto node = Node("web-01");
  ASSERT_TRUE(node->Connect());
  v1::Slot slot = MakeSlot("sleeper", 1);
  slot.set_door(v1::DOOR_PROGRAM);
  EXPECT_TRUE(node->SendSnapshot({slot}));
  ASSERT_TRUE(node->SendEvents({node->MakeEvent(5, 1)}));
  ASSERT_TRUE(node->AwaitAck(5, 1));
  v1::ListSlotsResponse response;
  Call call;
  ASSERT_TRUE(Caller(Role::kViewer)->ListSlots(&call, {}, &response).ok());
  ASSERT_EQ(response.slots_size(), 1);
  EXPECT_FALSE(response.slots(0).slot().has_timeout());
}

TEST_F(SessionTest, ANodeCannotSayThatItIsAnother) {
  auto node = Node("web-01");
  EXPECT_FALSE(node->Connect("web-02"));
  const grpc::Status status = node->End();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::PERMISSION_DENIED);
  EXPECT_THAT(status.error_message(),
              HasSubstr("the certificate is for node web-01, but Hello says web-02"));
  Settle();
  const auto refusals = Events("kind=access_refused node=web-01");
  ASSERT_EQ(refusals.size(), 1U);
  EXPECT_EQ(refusals[0].issuer(), "node/web-01");
  EXPECT_THAT(refusals[0].message(), HasSubstr("Hello says web-02"));
}

TEST_F(SessionTest, OnlyANodeHasASession) {
  FakeNode person(Channel(Role::kAdmin, "root"), "root");
  EXPECT_FALSE(person.Connect());
  const grpc::Status status = person.End();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::PERMISSION_DENIED);
  EXPECT_THAT(status.error_message(), HasSubstr("admin/root"));
}

TEST_F(SessionTest, HelloComesFirstAndOnce) {
  auto rude = Node("web-01");
  rude->SendSnapshot({});
  EXPECT_EQ(rude->End().error_code(), grpc::StatusCode::INVALID_ARGUMENT);

  auto twice = Node("web-01");
  ASSERT_TRUE(twice->Connect());
  v1::SessionRequest hello;
  hello.mutable_hello()->set_node_id("web-01");
  twice->Send(hello);
  EXPECT_EQ(twice->End().error_code(), grpc::StatusCode::INVALID_ARGUMENT);
}

TEST_F(SessionTest, ANodeOfAnotherProtocolIsToldWhich) {
  auto node = Node("web-01");
  v1::SessionRequest request;
  request.mutable_hello()->set_node_id("web-01");
  request.mutable_hello()->set_protocol_min(7);
  request.mutable_hello()->set_protocol_max(9);
  node->Send(request);
  const grpc::Status status = node->End();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_THAT(status.error_message(), HasSubstr("protocol 7 to 9"));
}

TEST_F(SessionTest, ANewerSessionSupersedesTheOlder) {
  auto first = Node("web-01");
  ASSERT_TRUE(first->Connect());
  auto second = Node("web-01");
  ASSERT_TRUE(second->Connect());
  EXPECT_GT(second->welcome().session_epoch(), first->welcome().session_epoch());
  EXPECT_EQ(first->Receive().message_case(), v1::SessionResponse::MESSAGE_NOT_SET);
  const grpc::Status status = first->End();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::ABORTED);
  EXPECT_THAT(status.error_message(), HasSubstr("superseded"));
  ASSERT_TRUE(second->SendEvents({second->MakeEvent(5, 1)}));
  EXPECT_TRUE(second->AwaitAck(5, 1));
}

TEST_F(SessionTest, AGapInTheEventsEndsTheSessionAndStoresNothing) {
  auto node = Node("web-01");
  ASSERT_TRUE(node->Connect());
  ASSERT_TRUE(node->SendEvents({node->MakeEvent(5, 2)}));
  EXPECT_FALSE(node->AwaitAck(5, 2));
  EXPECT_EQ(node->End().error_code(), grpc::StatusCode::ABORTED);
  EXPECT_THAT(Events("kind=hung"), IsEmpty());
}

TEST_F(SessionTest, EventsAreStoredOnceAcrossReconnectsAndRestarts) {
  {
    auto node = Node("web-01");
    ASSERT_TRUE(node->Connect());
    ASSERT_TRUE(node->SendEvents({node->MakeEvent(5, 1), node->MakeEvent(5, 2)}));
    ASSERT_TRUE(node->AwaitAck(5, 2));
  }
  {
    auto node = Node("web-01");
    ASSERT_TRUE(node->Connect());
    ASSERT_EQ(node->welcome().cursors_size(), 1);
    EXPECT_EQ(node->welcome().cursors(0).seq(), 2);
    // The acknowledgement may have been lost: all of it comes again, and more.
    ASSERT_TRUE(
        node->SendEvents({node->MakeEvent(5, 1), node->MakeEvent(5, 2), node->MakeEvent(5, 3)}));
    ASSERT_TRUE(node->AwaitAck(5, 3));
  }
  Restart();
  auto node = Node("web-01");
  ASSERT_TRUE(node->Connect());
  EXPECT_EQ(node->welcome().cursors(0).seq(), 3);
  EXPECT_EQ(Events("kind=hung node=web-01").size(), 3U);
}

TEST_F(SessionTest, ADeltaThatDoesNotFitAsksForASnapshot) {
  auto node = Node("web-01");
  ASSERT_TRUE(node->Connect());
  ASSERT_TRUE(node->SendSnapshot({MakeSlot("encoder", 1)}, 4));
  v1::SessionRequest request;
  request.mutable_delta()->set_from_revision(3);
  request.mutable_delta()->set_to_revision(5);
  ASSERT_TRUE(node->Send(request));
  EXPECT_TRUE(node->Receive().has_resync());
}

TEST_F(SessionTest, AMessageThatCannotBeReadEndsOnlyItsOwnSession) {
  auto good = Node("web-02");
  ASSERT_TRUE(good->Connect());
  // Field 1 (hello), holding a string field with a byte that is not UTF-8.
  const std::string bytes("\x0a\x03\x0a\x01\xff", 5);
  grpc::GenericStub stub(Channel(Role::kNode, "web-01"));
  grpc::CompletionQueue queue;
  Call call;
  auto stream = stub.PrepareCall(&call, "/procctl.v1.NodeService/Session", &queue);
  void* tag = nullptr;
  bool ok = false;
  stream->StartCall(nullptr);
  ASSERT_TRUE(queue.Next(&tag, &ok) && ok);
  const grpc::Slice slice(bytes);
  stream->Write(grpc::ByteBuffer(&slice, 1), nullptr);
  ASSERT_TRUE(queue.Next(&tag, &ok));
  grpc::Status status;
  stream->Finish(&status, nullptr);
  ASSERT_TRUE(queue.Next(&tag, &ok));
  queue.Shutdown();
  while (queue.Next(&tag, &ok)) {
  }
  ASSERT_TRUE(good->SendEvents({good->MakeEvent(5, 1)}));
  EXPECT_TRUE(good->AwaitAck(5, 1));
}

TEST_F(SessionTest, AGracefulEndAcknowledgesWhatWasSentAndSaysComeAgain) {
  auto node = Node("web-01");
  ASSERT_TRUE(node->Connect());
  ASSERT_TRUE(node->SendEvents({node->MakeEvent(5, 1)}));
  ASSERT_TRUE(node->AwaitAck(5, 1));
  server_->Stop();
  EXPECT_EQ(node->Receive().message_case(), v1::SessionResponse::MESSAGE_NOT_SET);
  const grpc::Status status = node->End();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_THAT(status.error_message(), HasSubstr("going down"));
}

TEST_F(SessionTest, ANodeThatReadsNothingCostsTheOthersNothing) {
  auto deaf = Node("web-01");
  ASSERT_TRUE(deaf->Connect());
  for (std::int64_t seq = 1; seq <= 5000; ++seq) {
    ASSERT_TRUE(deaf->SendEvents({deaf->MakeEvent(5, seq)}));
  }
  auto node = Node("web-02");
  ASSERT_TRUE(node->Connect());
  ASSERT_TRUE(node->SendEvents({node->MakeEvent(5, 1)}));
  EXPECT_TRUE(node->AwaitAck(5, 1));
  EXPECT_TRUE(deaf->AwaitAck(5, 5000));
  EXPECT_EQ(Events("node=web-01 kind=hung").size(), 5000U);
}

}  // namespace
}  // namespace procctl::controller
