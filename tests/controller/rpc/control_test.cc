// ControlPrograms against a real server and fake nodes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "controller/store/schema.h"
#include "proto/support/time_convert.h"
#include "tests/controller/rpc/server_fixture.h"

namespace procctl::controller {
namespace {

using std::chrono::seconds;
using ::testing::HasSubstr;

class ControlTest : public ServerTest {
 protected:
  static v1::ControlProgramsRequest Request(const std::string& id,
                                            const std::vector<std::string>& nodes,
                                            v1::ProgramAction action = v1::PROGRAM_ACTION_RESTART) {
    v1::ControlProgramsRequest request;
    request.set_request_id(id);
    request.set_action(action);
    request.set_reason("new release");
    for (const std::string& node : nodes) {
      v1::ProgramTarget* target = request.add_targets();
      target->set_node(node);
      if (action != v1::PROGRAM_ACTION_RELOAD) target->set_program("web@1");
    }
    return request;
  }
  struct Control {
    v1::ControlProgramsResponse response;
    grpc::Status status;
    const v1::ProgramOutcome& outcome(int target) const { return response.outcomes(target); }
  };
  Control Run(const v1::ControlProgramsRequest& request, Role role = Role::kOperator) {
    Control control;
    Call call;
    control.status = Caller(role)->ControlPrograms(&call, request, &control.response);
    return control;
  }
  static v1::Event AnswerTo(const FakeNode& node, std::int64_t seq, const v1::ProgramOrder& order,
                            v1::EventKind kind) {
    v1::Event event = node.MakeEvent(5, seq);
    event.set_kind(kind);
    event.set_order_id(order.order_id());
    event.set_program(order.program());
    if (kind == v1::EVENT_KIND_VERDICT) event.set_verdict(v1::VERDICT_IDENTITY_MISMATCH);
    if (kind != v1::EVENT_KIND_PROGRAM_ORDERED) event.set_message("line 7: unknown key");
    return event;
  }
  // Takes the next order about a program and answers it with an event of that kind.
  static v1::ProgramOrder Answer(FakeNode* node, std::int64_t seq,
                                 v1::EventKind kind = v1::EVENT_KIND_PROGRAM_ORDERED) {
    const v1::SessionResponse response = node->Receive();
    EXPECT_TRUE(response.has_program());
    EXPECT_TRUE(node->SendEvents({AnswerTo(*node, seq, response.program(), kind)}));
    return response.program();
  }
  // The record goes out beside the order, and nobody is told of it alone.
  bool AwaitRecord(const std::string& id) {
    for (int i = 0; i < 2'000; ++i) {
      auto database = OpenForReading(options_.state_dir + "/controller.db");
      if (!database.ok()) return false;
      const auto count =
          database->Ask("SELECT count(*) FROM requests WHERE request_id = '" + id + "'");
      if (count.ok() && *count == "1") return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return false;
  }
  // True if no order came before: the node is asked nothing by the server beyond its events.
  static bool HearsOnlyAnAck(FakeNode* node, std::int64_t seq) {
    return node->SendEvents({node->MakeEvent(5, seq)}) && node->Receive().has_event_ack();
  }
};

TEST_F(ControlTest, AnOrderIsSentAndItsCommittedEventIsTheOutcome) {
  auto node = Node("web-01");
  ASSERT_TRUE(node->Connect());
  v1::ProgramOrder order;
  std::thread guardian([&] { order = Answer(node.get(), 1); });
  const Control control = Run(Request("p-1", {"web-01"}));
  guardian.join();
  ASSERT_TRUE(control.status.ok()) << control.status.error_message();
  EXPECT_EQ(order.order_id(), "p-1/0");
  EXPECT_EQ(order.action(), v1::PROGRAM_ACTION_RESTART);
  EXPECT_EQ(order.program(), "web@1");
  EXPECT_FALSE(order.has_incarnation());
  EXPECT_EQ(order.issuer(), "operator/alice") << "from the certificate, never from the request";
  EXPECT_EQ(order.reason(), "new release");
  EXPECT_EQ(FromProto(order.time_to_live()), seconds(30));
  ASSERT_EQ(control.response.outcomes_size(), 1);
  EXPECT_EQ(control.outcome(0).order_id(), "p-1/0");
  EXPECT_TRUE(control.outcome(0).done());
  EXPECT_EQ(Events("kind=program_ordered order=p-1/0 program=web@1").size(), 1U);
}

TEST_F(ControlTest, EachTargetHasItsOwnOutcomeAndMayNameTheLifeItMeans) {
  auto a = Node("web-01");
  auto b = Node("web-02");
  ASSERT_TRUE(a->Connect());
  ASSERT_TRUE(b->Connect());
  v1::ControlProgramsRequest request =
      Request("p-1", {"web-01", "web-02"}, v1::PROGRAM_ACTION_STOP);
  *request.mutable_targets(1)->mutable_incarnation() = MakeSlot("web@1", 7).incarnation();
  request.clear_reason();
  v1::ProgramOrder order;
  std::thread first([&] { Answer(a.get(), 1); });
  std::thread second([&] { order = Answer(b.get(), 1, v1::EVENT_KIND_VERDICT); });
  const Control control = Run(request);
  first.join();
  second.join();
  ASSERT_TRUE(control.status.ok()) << control.status.error_message();
  EXPECT_EQ(order.action(), v1::PROGRAM_ACTION_STOP);
  EXPECT_EQ(order.incarnation().generation(), 7);
  ASSERT_EQ(control.response.outcomes_size(), 2);
  EXPECT_TRUE(control.outcome(0).done());
  EXPECT_FALSE(control.outcome(1).done());
  EXPECT_EQ(control.outcome(1).verdict(), v1::VERDICT_IDENTITY_MISMATCH);
}

TEST_F(ControlTest, AReloadIsAnsweredByWhatBecameOfTheConfiguration) {
  auto a = Node("web-01");
  auto b = Node("web-02");
  ASSERT_TRUE(a->Connect());
  ASSERT_TRUE(b->Connect());
  v1::ProgramOrder order;
  std::thread first([&] { order = Answer(a.get(), 1, v1::EVENT_KIND_CONFIG_APPLIED); });
  std::thread second([&] { Answer(b.get(), 1, v1::EVENT_KIND_CONFIG_REFUSED); });
  const Control control = Run(Request("p-1", {"web-01", "web-02"}, v1::PROGRAM_ACTION_RELOAD));
  first.join();
  second.join();
  ASSERT_TRUE(control.status.ok()) << control.status.error_message();
  EXPECT_EQ(order.action(), v1::PROGRAM_ACTION_RELOAD);
  EXPECT_EQ(order.program(), "");
  EXPECT_TRUE(control.outcome(0).done());
  EXPECT_FALSE(control.outcome(1).done());
  EXPECT_EQ(control.outcome(1).verdict(), v1::VERDICT_REFUSED);
  EXPECT_THAT(control.outcome(1).message(), HasSubstr("line 7"));
}

TEST_F(ControlTest, ARepeatReturnsTheRecordedOutcomeAndAsksNobodyAlsoAfterARestart) {
  {
    auto node = Node("web-01");
    ASSERT_TRUE(node->Connect());
    std::thread guardian([&] { Answer(node.get(), 1); });
    ASSERT_TRUE(Run(Request("p-1", {"web-01"})).status.ok());
    guardian.join();
    const Control repeat = Run(Request("p-1", {"web-01"}));
    ASSERT_TRUE(repeat.status.ok()) << repeat.status.error_message();
    EXPECT_TRUE(repeat.outcome(0).done());
  }
  Restart();
  auto node = Node("web-01");
  ASSERT_TRUE(node->Connect());
  const Control repeat = Run(Request("p-1", {"web-01"}));
  ASSERT_TRUE(repeat.status.ok()) << repeat.status.error_message();
  EXPECT_TRUE(repeat.outcome(0).done());
  EXPECT_TRUE(HearsOnlyAnAck(node.get(), 2));
}

TEST_F(ControlTest, AnAnswerThatComesOnlyAfterARestartIsTheOutcomeOfTheRepeat) {
  v1::ProgramOrder order;
  {
    auto node = Node("web-01");
    ASSERT_TRUE(node->Connect());
    Control control;
    std::thread caller([&] { control = Run(Request("p-1", {"web-01"})); });
    const v1::SessionResponse response = node->Receive();
    EXPECT_TRUE(response.has_program());
    order = response.program();
    EXPECT_TRUE(AwaitRecord("p-1"));
    server_->Stop();
    caller.join();
    EXPECT_EQ(control.status.error_code(), grpc::StatusCode::UNAVAILABLE);
    EXPECT_THAT(control.status.error_message(), HasSubstr("the orders stand"));
  }
  Restart();
  auto node = Node("web-01");
  ASSERT_TRUE(node->Connect());
  ASSERT_TRUE(node->SendEvents({AnswerTo(*node, 1, order, v1::EVENT_KIND_PROGRAM_ORDERED)}));
  ASSERT_TRUE(node->AwaitAck(5, 1));
  const Control repeat = Run(Request("p-1", {"web-01"}));
  ASSERT_TRUE(repeat.status.ok()) << repeat.status.error_message();
  EXPECT_TRUE(repeat.outcome(0).done());
  EXPECT_TRUE(HearsOnlyAnAck(node.get(), 2)) << "what is answered is not ordered again";
}

TEST_F(ControlTest, AnIdNamesOneRequestWhateverItAsksFor) {
  ASSERT_TRUE(Run(Request("p-1", {"nobody"})).status.ok());
  EXPECT_EQ(Run(Request("p-1", {"nobody"}, v1::PROGRAM_ACTION_STOP)).status.error_code(),
            grpc::StatusCode::ALREADY_EXISTS);
  v1::ControlProgramsRequest other = Request("p-1", {"nobody"});
  other.mutable_targets(0)->set_program("web@2");
  EXPECT_EQ(Run(other).status.error_code(), grpc::StatusCode::ALREADY_EXISTS);
  EXPECT_EQ(RunHold(HoldRequest("p-1", {"nobody"})).status.error_code(),
            grpc::StatusCode::ALREADY_EXISTS);
  ASSERT_TRUE(RunHold(HoldRequest("h-1", {"nobody"})).status.ok());
  EXPECT_EQ(Run(Request("h-1", {"nobody"})).status.error_code(), grpc::StatusCode::ALREADY_EXISTS);
}

TEST_F(ControlTest, WhatCannotLeaveIsRefusedAtOnceAndRecorded) {
  auto node = Node("web-01");
  ASSERT_TRUE(node->Connect());
  ASSERT_TRUE(node->End().ok());
  const Control control = Run(Request("p-1", {"web-01", "never-seen"}));
  ASSERT_TRUE(control.status.ok()) << control.status.error_message();
  EXPECT_EQ(control.outcome(0).verdict(), v1::VERDICT_REFUSED);
  EXPECT_EQ(control.outcome(0).refusal(), v1::REFUSAL_NODE_UNREACHABLE);
  EXPECT_THAT(control.outcome(0).message(), HasSubstr("nothing was restarted"));
  EXPECT_EQ(control.outcome(1).refusal(), v1::REFUSAL_NO_SUCH_NODE);
  const auto events = Events("verdict=refused program=web@1 order=p-1/1");
  ASSERT_EQ(events.size(), 1U);
  EXPECT_EQ(events[0].issuer(), "operator/alice");
}

TEST_F(ControlTest, ANodeThatKnowsNoProgramsIsSentNoneAndTheCallerIsToldToUpdateIt) {
  auto node = Node("web-01");
  node->set_features({"holds", "details"});
  ASSERT_TRUE(node->Connect());
  const Control control = Run(Request("p-1", {"web-01"}));
  ASSERT_TRUE(control.status.ok()) << control.status.error_message();
  EXPECT_FALSE(control.outcome(0).done());
  EXPECT_EQ(control.outcome(0).verdict(), v1::VERDICT_REFUSED);
  EXPECT_THAT(control.outcome(0).message(), HasSubstr("knows no programs; update procctl there"));
  EXPECT_TRUE(HearsOnlyAnAck(node.get(), 1));
}

TEST_F(ControlTest, AnOrderWithoutAnAnswerGoesOutAgainWhenItsNodeReturns) {
  auto node = Node("web-01");
  ASSERT_TRUE(node->Connect());
  Control control;
  std::thread caller([&] { control = Run(Request("p-1", {"web-01"})); });
  EXPECT_TRUE(node->Receive().has_program());
  node->Cancel();
  auto again = Node("web-01");
  EXPECT_TRUE(again->Connect());
  const v1::ProgramOrder order = Answer(again.get(), 1);
  caller.join();
  ASSERT_TRUE(control.status.ok()) << control.status.error_message();
  EXPECT_TRUE(control.outcome(0).done());
  EXPECT_EQ(order.order_id(), "p-1/0");
  EXPECT_LE(FromProto(order.time_to_live()), seconds(30));
}

TEST_F(ControlTest, AMalformedRequestIsToldWhatIsWrong) {
  EXPECT_THAT(Run(Request("p-1", {"a"}, v1::PROGRAM_ACTION_UNSPECIFIED)).status.error_message(),
              HasSubstr("action"));
  Control control = Run(Request("p-1", {"a"}, static_cast<v1::ProgramAction>(99)));
  EXPECT_EQ(control.status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  v1::ControlProgramsRequest request = Request("p-1", {"a"});
  request.mutable_targets(0)->clear_program();
  EXPECT_THAT(Run(request).status.error_message(), HasSubstr("program is empty"));
  request = Request("p-1", {"a"});
  (void)request.mutable_targets(0)->mutable_incarnation();
  EXPECT_THAT(Run(request).status.error_message(), HasSubstr("incomplete"));
  EXPECT_THAT(Run(Request("not an id", {"a"})).status.error_message(), HasSubstr("request_id"));
  EXPECT_THAT(Run(Request("p-1", {})).status.error_message(), HasSubstr("0 targets"));
}

TEST_F(ControlTest, AViewerMayNot) {
  EXPECT_EQ(Run(Request("p-1", {"web-01"}), Role::kViewer).status.error_code(),
            grpc::StatusCode::PERMISSION_DENIED);
}

}  // namespace
}  // namespace procctl::controller
