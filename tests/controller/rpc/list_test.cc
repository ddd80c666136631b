// Lists and counts of slots, against a real server and fake nodes.
#include <gmock/gmock.h>
#include <grpcpp/completion_queue.h>
#include <grpcpp/generic/generic_stub.h>
#include <gtest/gtest.h>

#include "proto/support/time_convert.h"
#include "tests/controller/rpc/server_fixture.h"

namespace procctl::controller {
namespace {

using std::chrono::seconds;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class ListTest : public ServerTest {
 protected:
  std::unique_ptr<FakeNode> NodeWith(const std::string& id, const std::vector<v1::Slot>& slots) {
    auto node = Node(id);
    EXPECT_TRUE(node->Connect());
    EXPECT_TRUE(node->SendSnapshot(slots));
    EXPECT_TRUE(node->SendEvents({node->MakeEvent(5, 1)}));
    EXPECT_TRUE(node->AwaitAck(5, 1)) << "the snapshot came before";
    return node;
  }
  grpc::Status List(const v1::ListSlotsRequest& request, v1::ListSlotsResponse* response) {
    Call call;
    return Caller(Role::kViewer)->ListSlots(&call, request, response);
  }
  std::vector<std::string> Count(const std::vector<std::string>& by, const std::string& filter) {
    v1::CountSlotsRequest request;
    request.set_filter(filter);
    for (const std::string& key : by) request.add_group_by(key);
    Call call;
    const grpc::Status status = Caller(Role::kViewer)->CountSlots(&call, request, &counts_);
    EXPECT_TRUE(status.ok()) << status.error_message();
    std::vector<std::string> texts;
    for (const auto& group : counts_.groups()) {
      std::string& text = texts.emplace_back();
      for (const std::string& value : group.values()) text += value + " ";
      text += std::to_string(group.slots());
    }
    return texts;
  }

  v1::CountSlotsResponse counts_;
};

TEST_F(ListTest, ARowComesAsItsNodeSentItWithWhatItIsWorth) {
  v1::Slot slot = MakeSlot("encoder", 7);
  slot.set_program("encoder@1");
  slot.set_note("pass 2");
  slot.mutable_hold()->set_owner("operator/alice");
  slot.mutable_timeout()->set_seconds(5);
  auto node = NodeWith("web-01", {slot});
  v1::ListSlotsResponse response;
  const auto before = std::chrono::system_clock::now();
  ASSERT_TRUE(List({}, &response).ok());
  ASSERT_EQ(response.slots_size(), 1);
  const v1::FleetSlot& row = response.slots(0);
  EXPECT_EQ(row.slot().DebugString(), slot.DebugString());
  EXPECT_EQ(row.node(), "web-01");
  EXPECT_EQ(row.node_state(), v1::NODE_STATE_CONNECTED);
  EXPECT_EQ(row.freshness(), v1::FRESHNESS_FRESH);
  EXPECT_TRUE(row.has_age() && row.has_reported());
  EXPECT_LT(FromProto(row.known_at()), std::chrono::system_clock::now());
  EXPECT_GT(FromProto(row.known_at()), before - seconds(60));
  EXPECT_EQ(response.summary().slots(), 1);
  EXPECT_EQ(response.summary().slots_stale(), 0);
  EXPECT_TRUE(response.has_as_of());
}

TEST_F(ListTest, RowsAreStaleWhileTheirNodeIsSuspect) {
  server_.reset();
  options_.liveness.suspect_after = std::chrono::milliseconds(500);
  options_.liveness.lost_after = seconds(3600);
  Start();
  auto node = NodeWith("web-01", {MakeSlot("a", 7)});
  v1::ListSlotsResponse response;
  const auto deadline = std::chrono::steady_clock::now() + seconds(30);
  v1::ListSlotsRequest request;
  request.set_filter("state=stale");
  while (response.slots_size() == 0 && std::chrono::steady_clock::now() < deadline) {
    response.Clear();
    ASSERT_TRUE(List(request, &response).ok());
  }
  ASSERT_EQ(response.slots_size(), 1);
  EXPECT_EQ(response.slots(0).node_state(), v1::NODE_STATE_SUSPECT);
  EXPECT_EQ(response.slots(0).freshness(), v1::FRESHNESS_STALE);
  EXPECT_EQ(response.slots(0).slot().state(), v1::SLOT_STATE_STALE);
  EXPECT_EQ(response.summary().slots_stale(), 1);
  EXPECT_GE(FromProto(response.as_of()) - FromProto(response.slots(0).known_at()),
            std::chrono::milliseconds(400));
  EXPECT_THAT(Count({"freshness", "state"}, ""), ElementsAre("stale stale 1"));
}

TEST_F(ListTest, PagesFollowOneAnotherAndSayTheSummaryOnce) {
  std::vector<v1::Slot> slots;
  for (int i = 0; i < 25; ++i) slots.push_back(MakeSlot("s" + std::to_string(100 + i), i + 1));
  auto one = NodeWith("web-01", slots);
  auto two = NodeWith("web-02", slots);
  v1::ListSlotsRequest request;
  request.set_page_size(10);
  request.set_filter("NOT slot=s100 node=web-*");
  std::vector<std::string> seen;
  int pages = 0;
  for (;; ++pages) {
    v1::ListSlotsResponse response;
    ASSERT_TRUE(List(request, &response).ok());
    EXPECT_EQ(response.has_summary(), pages == 0);
    for (const v1::FleetSlot& row : response.slots()) {
      seen.push_back(row.node() + "/" + row.slot().label());
    }
    if (response.next_page_token().empty()) break;
    request.set_page_token(response.next_page_token());
  }
  EXPECT_EQ(pages, 4);
  ASSERT_EQ(seen.size(), 48U);
  EXPECT_EQ(seen.front(), "web-01/s101");
  EXPECT_EQ(seen.back(), "web-02/s124");
  EXPECT_TRUE(std::is_sorted(seen.begin(), seen.end()));
  request.set_filter("node=web-*");
  v1::ListSlotsResponse response;
  EXPECT_THAT(List(request, &response).error_message(), HasSubstr("another filter"));
}

TEST_F(ListTest, AFaultyFilterIsShownWithItsPlace) {
  v1::ListSlotsRequest request;
  request.set_filter("state=hung AND nane=x");
  v1::ListSlotsResponse response;
  const grpc::Status status = List(request, &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), HasSubstr("column 16: there is no key \"nane\" here"));
  EXPECT_THAT(status.error_message(), HasSubstr("did you mean name?"));
  EXPECT_THAT(status.error_message(), HasSubstr("\n  state=hung AND nane=x\n                 ^"));
}

TEST_F(ListTest, BytesThatAreNoRequestAreRefused) {
  grpc::GenericStub stub(Channel(Role::kViewer, "alice"));
  grpc::CompletionQueue queue;
  Call call;
  const std::string junk(100, '\xff');
  const grpc::Slice slice(junk);
  const grpc::ByteBuffer request(&slice, 1);
  grpc::ByteBuffer response;
  grpc::Status status;
  const auto rpc =
      stub.PrepareUnaryCall(&call, "/procctl.v1.FleetService/ListSlots", request, &queue);
  rpc->StartCall();
  rpc->Finish(&response, &status, &status);
  void* tag = nullptr;
  bool ok = false;
  ASSERT_TRUE(queue.Next(&tag, &ok));
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT) << status.error_message();
  queue.Shutdown();
}

TEST_F(ListTest, NodesCanBeFilteredByWhatTheySayOfThemselves) {
  auto one = NodeWith("web-01", {});
  v1::ListNodesRequest request;
  for (const auto& [filter, nodes] :
       {std::pair<const char*, int>{"state=connected hostname:\"\"", 1},
        {"mode=nonsense", 0},
        {"version=* NOT node=web-*", 0},
        {"state=forgotten OR state=draining", 0}}) {
    request.set_filter(filter);
    v1::ListNodesResponse response;
    Call call;
    const grpc::Status status = Caller(Role::kViewer)->ListNodes(&call, request, &response);
    ASSERT_TRUE(status.ok()) << status.error_message();
    EXPECT_EQ(response.nodes_size(), nodes) << filter;
  }
}

TEST_F(ListTest, SlotsAreCountedByKeys) {
  v1::Slot hung = MakeSlot("b", 8);
  hung.set_state(v1::SLOT_STATE_HUNG);
  auto one = NodeWith("web-01", {MakeSlot("a", 7), hung});
  auto two = NodeWith("web-02", {MakeSlot("a", 7)});
  EXPECT_THAT(Count({"state"}, ""), ElementsAre("alive 2", "hung 1"));
  EXPECT_EQ(counts_.total(), 3);
  EXPECT_EQ(counts_.others(), 0);
  EXPECT_EQ(counts_.summary().slots_in_trouble(), 1);
  EXPECT_THAT(Count({"node", "state"}, "state!=hung"),
              ElementsAre("web-01 alive 1", "web-02 alive 1"));
  EXPECT_THAT(Count({}, "pid=4242"), ElementsAre("3"));
}

TEST_F(ListTest, WrongCountsAreRefused) {
  const auto refusal = [&](const std::string& filter, const std::string& by, int limit) {
    v1::CountSlotsRequest request;
    request.set_filter(filter);
    request.add_group_by(by);
    request.set_limit(limit);
    Call call;
    const grpc::Status status = Caller(Role::kViewer)->CountSlots(&call, request, &counts_);
    EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
    return status.error_message();
  };
  EXPECT_THAT(refusal("", "stat", 0), HasSubstr("did you mean state?"));
  EXPECT_THAT(refusal("nod=x", "state", 0), HasSubstr("did you mean node?"));
  EXPECT_THAT(refusal("cpu>5", "state", 0), HasSubstr("list the slots with this filter"));
  EXPECT_THAT(refusal("", "state", -1), HasSubstr("limit must be"));
}

}  // namespace
}  // namespace procctl::controller
