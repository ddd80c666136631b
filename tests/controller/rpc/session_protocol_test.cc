// Fencing, clocks, digests, drains and versions of the session protocol, against a real server.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <set>
#include <thread>

#include "controller/store/sqlite.h"
#include "proto/support/row_digest.h"
#include "proto/support/time_convert.h"
#include "tests/controller/rpc/server_fixture.h"

namespace procctl::controller {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

using std::chrono::seconds;

class SessionProtocolTest : public ServerTest {
 protected:
  std::unique_ptr<FakeNode> Modern(const std::string& id, const std::string& instance) {
    auto node = Node(id);
    node->set_features({"holds", "details", "programs", "drain"});
    node->mutable_hello()->set_instance(instance);
    return node;
  }
};

TEST_F(SessionProtocolTest, WelcomeSaysWhoseHistoryItIsAndHowFastToComeBack) {
  auto node = Modern("web-01", "a");
  ASSERT_TRUE(node->Connect());
  const v1::Welcome first = node->welcome();
  EXPECT_FALSE(first.history_id().empty());
  EXPECT_FALSE(first.run().empty());
  EXPECT_GT(first.generation(), 0);
  EXPECT_EQ(FromProto(first.reconnect_within()), seconds(1)) << "of a small fleet";
  EXPECT_FALSE(first.has_snapshot_delay()) << "nobody else sends one";
  Restart();
  auto again = Modern("web-01", "a");
  ASSERT_TRUE(again->Connect());
  EXPECT_EQ(again->welcome().history_id(), first.history_id());
  EXPECT_GT(again->welcome().generation(), first.generation());
  EXPECT_NE(again->welcome().run(), first.run());
}

TEST_F(SessionProtocolTest, ASecondHostWithTheSameCertificateIsRefusedAndToldOfOnce) {
  auto one = Modern("web-01", "life-of-one");
  one->mutable_hello()->set_hostname("one.example");
  ASSERT_TRUE(one->Connect());
  auto two = Modern("web-01", "life-of-two");
  two->mutable_hello()->set_hostname("two.example");
  ASSERT_TRUE(two->Connect());
  EXPECT_EQ(one->End().error_code(), grpc::StatusCode::ABORTED);
  for (int i = 0; i < 3; ++i) {
    auto back = Modern("web-01", "life-of-one");
    back->mutable_hello()->set_hostname("one.example");
    EXPECT_FALSE(back->Connect());
    const grpc::Status status = back->End();
    EXPECT_EQ(status.error_code(), grpc::StatusCode::PERMISSION_DENIED);
    EXPECT_THAT(status.error_message(),
                AllOf(HasSubstr("host one.example at 127.0.0.1:"),
                      HasSubstr("host two.example at 127.0.0.1:"), HasSubstr("web-01")));
  }
  ASSERT_TRUE(two->SendEvents({two->MakeEvent(5, 1)}));
  EXPECT_TRUE(two->AwaitAck(5, 1)) << "the one that is connected goes on";
  Settle();
  const auto conflicts = Events("kind=identity_conflict node=web-01");
  ASSERT_EQ(conflicts.size(), 1U);
  EXPECT_EQ(conflicts[0].severity(), v1::SEVERITY_ALARM);
  EXPECT_THAT(conflicts[0].message(), AllOf(HasSubstr("one.example"), HasSubstr("two.example")));
}

TEST_F(SessionProtocolTest, ReconnectsAndRestartsOfOneHostAreNoConflict) {
  for (const char* instance : {"a", "a", "b", "b", "", "b", "c"}) {
    auto node = Modern("web-01", instance);
    ASSERT_TRUE(node->Connect()) << instance;
  }
  Settle();
  EXPECT_THAT(Events("kind=identity_conflict"), IsEmpty());
}

TEST_F(SessionProtocolTest, WhatNobodyHoldsAnyMoreIsAGapOnRecord) {
  auto node = Modern("web-01", "a");
  v1::HeldEvents* held = node->mutable_hello()->add_held();
  held->set_epoch(5);
  held->set_first(11);
  held->set_last(12);
  ASSERT_TRUE(node->Connect());
  ASSERT_EQ(node->welcome().cursors_size(), 1);
  EXPECT_EQ(node->welcome().cursors(0).epoch(), 5);
  EXPECT_EQ(node->welcome().cursors(0).seq(), 10);
  ASSERT_TRUE(node->SendEvents({node->MakeEvent(5, 11), node->MakeEvent(5, 12)}));
  ASSERT_TRUE(node->AwaitAck(5, 12));
  const auto gaps = Events("kind=gap node=web-01");
  ASSERT_EQ(gaps.size(), 1U);
  EXPECT_EQ(gaps[0].lost().first_seq(), 1);
  EXPECT_EQ(gaps[0].lost().last_seq(), 10);
  // The same again is nothing new.
  auto again = Modern("web-01", "a");
  *again->mutable_hello()->add_held() = *held;
  ASSERT_TRUE(again->Connect());
  EXPECT_EQ(again->welcome().cursors(0).seq(), 12);
  EXPECT_EQ(Events("kind=gap").size(), 1U);
}

TEST_F(SessionProtocolTest, HeldRangesThatCannotBeEndTheSession) {
  auto node = Modern("web-01", "a");
  v1::HeldEvents* held = node->mutable_hello()->add_held();
  held->set_epoch(5);
  held->set_first(9);
  held->set_last(3);
  EXPECT_FALSE(node->Connect());
  EXPECT_EQ(node->End().error_code(), grpc::StatusCode::INVALID_ARGUMENT);
}

TEST_F(SessionProtocolTest, AClockThatIsOffIsMeasuredShownRecordedAndToldOnce) {
  options_.heartbeat_interval = std::chrono::milliseconds(500);
  Restart();
  auto node = Modern("web-01", "a");
  ASSERT_TRUE(node->Connect());
  ASSERT_TRUE(node->SendEvents({node->MakeEvent(5, 1)}));
  ASSERT_TRUE(node->AwaitAck(5, 1));
  EXPECT_FALSE(FindNode("web-01").has_skew()) << "not measured yet";
  for (int i = 0; i < 3; ++i) {
    v1::SessionResponse response = node->ReceiveAny();
    while (response.message_case() != v1::SessionResponse::kHeartbeat) {
      ASSERT_NE(response.message_case(), v1::SessionResponse::MESSAGE_NOT_SET);
      response = node->ReceiveAny();
    }
    const auto came = std::chrono::steady_clock::now();
    v1::NodeHeartbeat heartbeat;
    *heartbeat.mutable_echo() = response.heartbeat().clock();
    *heartbeat.mutable_echo_age() = ToProto(std::chrono::steady_clock::now() - came);
    *heartbeat.mutable_clock() = ToProto(std::chrono::system_clock::now() + seconds(600));
    heartbeat.set_load_per_mille(250);
    *heartbeat.mutable_lag() = ToProto(std::chrono::milliseconds(3));
    ASSERT_TRUE(node->SendHeartbeat(heartbeat));
  }
  ASSERT_TRUE(node->SendEvents({node->MakeEvent(5, 2)}));
  ASSERT_TRUE(node->AwaitAck(5, 2));
  const v1::Node row = FindNode("web-01");
  ASSERT_TRUE(row.has_skew());
  // Wrong by half of a round trip at most, and that is far below the test's patience.
  EXPECT_GT(FromProto(row.skew()), seconds(580));
  EXPECT_LT(FromProto(row.skew()), seconds(620));
  EXPECT_EQ(row.load_per_mille(), 250);
  EXPECT_EQ(FromProto(row.lag()), std::chrono::milliseconds(3));
  Settle();
  const auto warnings = Events("kind=controller_alarm node=web-01");
  ASSERT_EQ(warnings.size(), 1U);
  EXPECT_THAT(warnings[0].message(), HasSubstr("ahead of"));

  v1::ListEventsRequest request;
  v1::ListEventsResponse events;
  request.set_filter("kind=hung");
  Call call;
  ASSERT_TRUE(Caller(Role::kViewer)->ListEvents(&call, request, &events).ok());
  ASSERT_EQ(events.events_size(), 2);
  EXPECT_FALSE(events.events(0).has_skew());
  ASSERT_TRUE(events.events(1).has_skew());
  EXPECT_GT(FromProto(events.events(1).skew()), seconds(580));
}

TEST_F(SessionProtocolTest, AWrongDigestIsOneResyncAndThenOneWarning) {
  auto node = Modern("web-01", "a");
  ASSERT_TRUE(node->Connect());
  const v1::Slot slot = MakeSlot("encoder", 1);
  ASSERT_TRUE(node->SendSnapshot({slot}, 4));
  v1::NodeHeartbeat heartbeat;
  heartbeat.set_revision(4);
  heartbeat.set_digest(RowDigest(slot));
  ASSERT_TRUE(node->SendHeartbeat(heartbeat));
  ASSERT_TRUE(node->SendEvents({node->MakeEvent(5, 1)}));
  EXPECT_TRUE(node->Receive().has_event_ack()) << "it agrees";
  heartbeat.set_digest(RowDigest(slot) + 1);
  ASSERT_TRUE(node->SendHeartbeat(heartbeat));
  EXPECT_TRUE(node->Receive().has_resync());
  for (std::int64_t seq = 2; seq < 5; ++seq) {
    ASSERT_TRUE(node->SendSnapshot({slot}, 4));
    ASSERT_TRUE(node->SendHeartbeat(heartbeat));
    ASSERT_TRUE(node->SendEvents({node->MakeEvent(5, seq)}));
    EXPECT_TRUE(node->Receive().has_event_ack()) << "no loop";
  }
  Settle();
  const auto warnings = Events("kind=controller_alarm node=web-01");
  ASSERT_EQ(warnings.size(), 1U);
  EXPECT_THAT(warnings[0].message(), HasSubstr("counts its rows otherwise"));
}

TEST_F(SessionProtocolTest, AtTheEndNodesThatKnowDrainAreToldWhenToComeBack) {
  auto old = Node("old");
  ASSERT_TRUE(old->Connect());
  std::vector<std::unique_ptr<FakeNode>> nodes;
  for (int i = 0; i < 4; ++i) {
    nodes.push_back(Modern("n" + std::to_string(i), ""));
    ASSERT_TRUE(nodes.back()->Connect());
    ASSERT_TRUE(nodes.back()->SendEvents({nodes.back()->MakeEvent(5, 1)}));
    ASSERT_TRUE(nodes.back()->AwaitAck(5, 1));
  }
  server_->Stop();
  std::set<std::chrono::nanoseconds> delays;
  for (auto& node : nodes) {
    const v1::SessionResponse last = node->Receive();
    ASSERT_TRUE(last.has_drain());
    EXPECT_FALSE(last.drain().reason().empty());
    delays.insert(FromProto(last.drain().delay()));
    EXPECT_EQ(node->Receive().message_case(), v1::SessionResponse::MESSAGE_NOT_SET) << "the last";
    EXPECT_EQ(node->End().error_code(), grpc::StatusCode::UNAVAILABLE);
  }
  EXPECT_EQ(delays.size(), 4U) << "each at a time of its own";
  EXPECT_LT(*delays.rbegin(), seconds(1));
  EXPECT_EQ(old->Receive().message_case(), v1::SessionResponse::MESSAGE_NOT_SET);
  EXPECT_EQ(old->End().error_code(), grpc::StatusCode::UNAVAILABLE);
}

TEST_F(SessionProtocolTest, AStoreThatTakesNothingStopsTheReadingAndMakesNoSuspect) {
  options_.liveness = {seconds(4), seconds(8), seconds(0), seconds(0)};
  Restart();
  constexpr std::int64_t kBatches = 200;
  // What is in the queue, in the window and in gRPC's buffers is some 25 batches.
  constexpr std::int64_t kFarBelowAll = 100;
  auto node = Modern("web-01", "a");
  ASSERT_TRUE(node->Connect());
  ASSERT_TRUE(node->SendEvents({node->MakeEvent(5, 1)}));
  ASSERT_TRUE(node->AwaitAck(5, 1));
  auto blocker =
      Database::Open(options_.state_dir + "/controller.db", Database::Access::kReadWrite);
  ASSERT_TRUE(blocker.ok()) << blocker.status();
  ASSERT_TRUE(Await([&] { return blocker->Execute("BEGIN IMMEDIATE").ok(); }));
  std::atomic<std::int64_t> sent{1};
  std::thread sender([&] {
    for (std::int64_t seq = 2; seq <= kBatches; ++seq) {
      v1::Event event = node->MakeEvent(5, seq);
      event.set_message(std::string(64 * 1024, 'x'));
      if (!node->SendEvents({std::move(event)})) return;
      sent = seq;
    }
  });
  // Stands still for longer than a node may be silent.
  std::int64_t before = 0;
  while (before != sent) {
    before = sent;
    std::this_thread::sleep_for(seconds(5));
  }
  EXPECT_LT(before, kFarBelowAll);
  EXPECT_EQ(FindNode("web-01").state(), v1::NODE_STATE_CONNECTED) << "its silence is ours";
  ASSERT_TRUE(blocker->Execute("ROLLBACK").ok());
  EXPECT_TRUE(node->AwaitAck(5, kBatches));
  sender.join();
  EXPECT_THAT(Events("kind=node_suspect,node_lost"), IsEmpty());
  EXPECT_EQ(Events("kind=hung node=web-01").size(), static_cast<size_t>(kBatches));
}

// --- Versions that never met
// -------------------------------------------------------------------------------------

TEST_F(SessionProtocolTest, ANodeOfTheFirstReleaseIsServedAsEver) {
  auto node = Node("web-01");
  node->set_features({});
  ASSERT_TRUE(node->Connect());
  EXPECT_FALSE(node->welcome().has_snapshot_delay());
  ASSERT_TRUE(node->SendSnapshot({MakeSlot("encoder", 1)}, 4));
  v1::NodeHeartbeat heartbeat;
  heartbeat.set_revision(4);
  heartbeat.set_events_waiting(7);
  *heartbeat.mutable_clock() = ToProto(std::chrono::system_clock::now() + seconds(600));
  ASSERT_TRUE(node->SendHeartbeat(heartbeat));
  ASSERT_TRUE(node->SendEvents({node->MakeEvent(5, 1)}));
  ASSERT_TRUE(node->AwaitAck(5, 1));
  const v1::Node row = FindNode("web-01");
  EXPECT_EQ(row.events_waiting(), 7);
  EXPECT_EQ(row.slots(), 1);
  EXPECT_FALSE(row.has_skew()) << "one way tells nothing";
  EXPECT_FALSE(row.has_load_per_mille());
  EXPECT_FALSE(row.has_lag());
  EXPECT_THAT(Events("kind=controller_alarm"), IsEmpty());
  server_->Stop();
  EXPECT_EQ(node->Receive().message_case(), v1::SessionResponse::MESSAGE_NOT_SET);
  EXPECT_EQ(node->End().error_code(), grpc::StatusCode::UNAVAILABLE);
}

void AddUnknown(google::protobuf::Message* message) {
  auto* fields = message->GetReflection()->MutableUnknownFields(message);
  fields->AddVarint(15'000, 42);
  fields->AddLengthDelimited(15'001, "of a later version");
}

TEST_F(SessionProtocolTest, ANodeOfALaterVersionIsServedByWhatBothKnow) {
  auto node = Node("web-01");
  node->set_features({"holds", "teleport", "drain", "details.v2"});
  AddUnknown(node->mutable_hello());
  ASSERT_TRUE(node->Connect());
  v1::SessionRequest unknown;
  AddUnknown(&unknown);
  ASSERT_TRUE(node->Send(unknown)) << "a kind of message that this version has not";
  v1::Slot slot = MakeSlot("encoder", 1);
  slot.set_state(static_cast<v1::SlotState>(99));
  AddUnknown(&slot);
  ASSERT_TRUE(node->SendSnapshot({slot}, 4));
  v1::NodeHeartbeat heartbeat;
  heartbeat.set_revision(4);
  heartbeat.set_digest(RowDigest(slot));
  AddUnknown(&heartbeat);
  ASSERT_TRUE(node->SendHeartbeat(heartbeat));
  v1::Event event = node->MakeEvent(5, 1);
  event.set_kind(static_cast<v1::EventKind>(999));
  AddUnknown(&event);
  ASSERT_TRUE(node->SendEvents({event}));
  EXPECT_TRUE(node->Receive().has_event_ack());
  EXPECT_EQ(FindNode("web-01").slots(), 1);
  server_->Stop();
  EXPECT_TRUE(node->Receive().has_drain());
}

}  // namespace
}  // namespace procctl::controller
