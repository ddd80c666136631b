// What becomes of nodes that are not heard, against a real server.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "tests/controller/rpc/server_fixture.h"

namespace procctl::controller {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class NodeStatesRpcTest : public ServerTest {
 protected:
  void SetUp() override {
    options_.liveness.start_grace = std::chrono::seconds(0);
    Limit(std::chrono::seconds(1), std::chrono::seconds(2));
    Start();
  }
  void Limit(std::chrono::nanoseconds suspect_after, std::chrono::nanoseconds lost_after) {
    options_.liveness.suspect_after = suspect_after;
    options_.liveness.lost_after = lost_after;
  }
  grpc::Status Forget(const std::string& node, Role role = Role::kOperator,
                      const std::string& reason = "decommissioned") {
    v1::ForgetNodeRequest request;
    v1::ForgetNodeResponse response;
    request.set_node(node);
    request.set_reason(reason);
    Call call;
    return Caller(role)->ForgetNode(&call, request, &response);
  }
  v1::FleetSummary Summary() {
    v1::ListSlotsResponse response;
    Call call;
    EXPECT_TRUE(Caller(Role::kViewer)->ListSlots(&call, {}, &response).ok());
    return response.summary();
  }
};

TEST_F(NodeStatesRpcTest, AGoodbyeIsDrainingAndThenLostAndNeverSuspect) {
  auto node = Node("web-01");
  ASSERT_TRUE(node->Connect());
  ASSERT_TRUE(node->SendSnapshot({MakeSlot("encoder", 1)}));
  ASSERT_TRUE(node->SendGoodbye("host going\ndown"));
  ASSERT_TRUE(node->End().ok());
  ASSERT_TRUE(AwaitEvents("kind=node_draining node=web-01", 1));
  EXPECT_THAT(Events("kind=node_draining")[0].message(), HasSubstr("host going\\x0adown"));
  EXPECT_TRUE(AwaitState("web-01", v1::NODE_STATE_LOST));
  EXPECT_EQ(FindNode("web-01").goodbye(), "host going\\x0adown");
  ASSERT_TRUE(AwaitEvents("kind=node_lost node=web-01", 1));
  EXPECT_THAT(Events("kind=node_suspect"), IsEmpty());
  auto again = Node("web-01");
  ASSERT_TRUE(again->Connect());
  EXPECT_TRUE(AwaitEvents("kind=node_connected node=web-01", 2));
  EXPECT_TRUE(FindNode("web-01").goodbye().empty());
}

TEST_F(NodeStatesRpcTest, ADrainingNodeIsCountedAsSuch) {
  Limit(std::chrono::seconds(30), std::chrono::seconds(60));
  Restart();
  auto node = Node("web-01");
  ASSERT_TRUE(node->Connect());
  ASSERT_TRUE(node->SendGoodbye("restarting"));
  ASSERT_TRUE(node->End().ok());
  ASSERT_TRUE(AwaitState("web-01", v1::NODE_STATE_DRAINING));
  EXPECT_EQ(Summary().nodes_draining(), 1);
  EXPECT_EQ(Summary().nodes_connected(), 0);
}

TEST_F(NodeStatesRpcTest, AfterItsStartAControllerCallsNobodyLost) {
  {
    auto node = Node("web-01");
    ASSERT_TRUE(node->Connect());
  }
  ASSERT_TRUE(AwaitState("web-01", v1::NODE_STATE_LOST));
  options_.liveness.start_grace = std::chrono::hours(1);
  Restart();
  // Well beyond the lost time, in ticks of the server's own.
  auto other = Node("web-02");
  ASSERT_TRUE(other->Connect());
  std::this_thread::sleep_for(std::chrono::seconds(4));
  EXPECT_TRUE(AwaitState("web-02", v1::NODE_STATE_SUSPECT));
  EXPECT_EQ(FindNode("web-01").state(), v1::NODE_STATE_SUSPECT);
  Settle();
  EXPECT_EQ(Events("kind=node_lost").size(), 1U) << "of the life before";
}

TEST_F(NodeStatesRpcTest, AForgottenNodeIsGoneAlsoAfterARestartUntilItComesBack) {
  {
    auto node = Node("web-01");
    ASSERT_TRUE(node->Connect());
    ASSERT_TRUE(node->SendSnapshot({MakeSlot("encoder", 1)}));
  }
  ASSERT_TRUE(AwaitState("web-01", v1::NODE_STATE_LOST));
  const grpc::Status status = Forget("web-01");
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_THAT(Slots(), IsEmpty());
  EXPECT_TRUE(FindNode("web-01").id().empty());
  EXPECT_EQ(FindNode("web-01", "state=forgotten").state(), v1::NODE_STATE_FORGOTTEN);
  const auto events = Events("kind=node_forgotten node=web-01");
  ASSERT_EQ(events.size(), 1U);
  EXPECT_EQ(events[0].issuer(), "operator/alice");
  EXPECT_EQ(events[0].reason(), "decommissioned");
  EXPECT_TRUE(Forget("web-01").ok()) << "a repeat of a call whose answer was lost";
  Restart();
  EXPECT_TRUE(FindNode("web-01").id().empty());
  EXPECT_EQ(FindNode("web-01", "state=forgotten").state(), v1::NODE_STATE_FORGOTTEN);
  auto again = Node("web-01");
  ASSERT_TRUE(again->Connect());
  EXPECT_GT(again->welcome().session_epoch(), 1) << "it is fenced as before";
  EXPECT_TRUE(AwaitEvents("kind=node_connected node=web-01", 2));
  EXPECT_EQ(FindNode("web-01").id(), "web-01");
  Restart();
  EXPECT_EQ(FindNode("web-01").id(), "web-01") << "known as any other";
}

TEST_F(NodeStatesRpcTest, WhoMayForgetWhom) {
  Limit(std::chrono::seconds(30), std::chrono::seconds(60));
  Restart();
  auto node = Node("web-01");
  ASSERT_TRUE(node->Connect());
  const grpc::Status connected = Forget("web-01");
  EXPECT_EQ(connected.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_THAT(connected.error_message(), HasSubstr("web-01 is connected"));
  EXPECT_EQ(Forget("nobody").error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(Forget("").error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(Forget("web-01", Role::kOperator, std::string(1001, 'x')).error_code(),
            grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(Forget("web-01", Role::kViewer).error_code(), grpc::StatusCode::PERMISSION_DENIED);
}

TEST_F(NodeStatesRpcTest, TheSilentSessionOfAForgottenNodeEndsAndANewOneBringsItBack) {
  auto node = Node("web-01");
  ASSERT_TRUE(node->Connect());
  ASSERT_TRUE(AwaitState("web-01", v1::NODE_STATE_SUSPECT));
  ASSERT_TRUE(Forget("web-01").ok());
  const grpc::Status status = node->End();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::ABORTED);
  EXPECT_THAT(status.error_message(), HasSubstr("forgotten"));
  auto again = Node("web-01");
  ASSERT_TRUE(again->Connect());
  EXPECT_TRUE(AwaitEvents("kind=node_connected node=web-01", 2));
  EXPECT_EQ(FindNode("web-01").id(), "web-01");
}

TEST_F(NodeStatesRpcTest, ALostNodeIsForgottenInTheEnd) {
  options_.liveness.forget_after = std::chrono::seconds(2);
  Restart();
  {
    auto node = Node("web-01");
    ASSERT_TRUE(node->Connect());
  }
  ASSERT_TRUE(AwaitState("web-01", v1::NODE_STATE_FORGOTTEN));
  ASSERT_TRUE(AwaitEvents("kind=node_forgotten node=web-01", 1));
  Restart();
  EXPECT_TRUE(FindNode("web-01").id().empty()) << "the store remembers";
}

TEST_F(NodeStatesRpcTest, AFleetThatFallsSilentIsOneAlarm) {
  Limit(std::chrono::seconds(4), std::chrono::seconds(6));
  Restart();
  const std::vector<std::string> names = {"a", "b", "c", "d", "e", "f"};
  std::vector<std::unique_ptr<FakeNode>> nodes;
  std::atomic<size_t> connected{0};
  std::atomic<bool> beat{true};
  nodes.reserve(names.size());
  for (const std::string& name : names) nodes.push_back(Node(name));
  std::thread hearts([&] {
    while (beat) {
      for (size_t i = 0; i < connected; ++i) nodes[i]->SendHeartbeat({});
      std::this_thread::sleep_for(std::chrono::milliseconds(200));
    }
  });
  for (auto& node : nodes) {
    EXPECT_TRUE(node->Connect());
    ++connected;
  }
  beat = false;
  hearts.join();
  for (const std::string& name : names) EXPECT_TRUE(AwaitState(name, v1::NODE_STATE_LOST));
  ASSERT_TRUE(AwaitEvents("kind=fleet_silent", 1));
  const auto alarms = Events("kind=fleet_silent");
  ASSERT_EQ(alarms.size(), 1U);
  EXPECT_EQ(alarms[0].severity(), v1::SEVERITY_ALARM);
  EXPECT_THAT(alarms[0].message(), HasSubstr("6 of 6 nodes"));
  nodes.clear();
  for (const std::string& name : names) {
    nodes.push_back(Node(name));
    ASSERT_TRUE(nodes.back()->Connect());
  }
  ASSERT_TRUE(AwaitEvents("kind=fleet_silent", 2));
  EXPECT_THAT(Events("kind=fleet_silent")[1].message(), HasSubstr("6 nodes are back"));
  Settle();
  EXPECT_THAT(Events("kind=node_suspect,node_lost"), IsEmpty());
  EXPECT_EQ(Events("kind=node_connected").size(), names.size()) << "of the first time";
}

}  // namespace
}  // namespace procctl::controller
