// ListSlots with usage, against a real server and fake nodes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <deque>
#include <thread>

#include "controller/rpc/list_usage_call.h"
#include "tests/controller/rpc/server_fixture.h"

namespace procctl::controller {
namespace {

using std::chrono::seconds;
using std::chrono::steady_clock;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

class ListUsageTest : public ServerTest {
 protected:
  struct List {
    v1::ListSlotsResponse response;
    grpc::Status status;
    steady_clock::duration took{};
  };
  // No handshake may come between two calls of a test.
  void SetUp() override {
    ServerTest::SetUp();
    viewer_ = Caller(Role::kViewer);
  }

  std::unique_ptr<FakeNode> NodeWith(const std::string& id, const std::vector<v1::Slot>& slots) {
    auto node = Node(id);
    EXPECT_TRUE(node->Connect());
    EXPECT_TRUE(node->SendSnapshot(slots));
    EXPECT_TRUE(node->SendEvents({node->MakeEvent(5, 1)}));
    EXPECT_TRUE(node->AwaitAck(5, 1)) << "the snapshot came before";
    return node;
  }
  List ListSlots(bool with_usage = true) {
    v1::ListSlotsRequest request;
    request.set_with_usage(with_usage);
    return ListSlots(request);
  }
  List ListSlots(const v1::ListSlotsRequest& request) {
    List list;
    Call call;
    const auto began = steady_clock::now();
    list.status = viewer_->ListSlots(&call, request, &list.response);
    list.took = steady_clock::now() - began;
    return list;
  }

  static v1::DetailRequest Question(FakeNode* node) {
    const v1::SessionResponse response = node->Receive();
    EXPECT_TRUE(response.detail().has_usage());
    return response.detail();
  }
  // Each slot uses a hundred times its generation.
  static v1::DetailReply Reply(const v1::DetailRequest& question) {
    v1::DetailReply reply;
    reply.set_request(question.request());
    (void)reply.mutable_usage();
    for (const std::int64_t generation : question.usage().generations()) {
      v1::UsageAnswer::Row* row = reply.mutable_usage()->add_rows();
      row->set_generation(generation);
      row->mutable_usage()->set_resident(generation * 100);
    }
    return reply;
  }
  // "node/label resident", "-" where it has no usage.
  static std::vector<std::string> Texts(const List& list) {
    EXPECT_TRUE(list.status.ok()) << list.status.error_message();
    std::vector<std::string> texts;
    for (const v1::FleetSlot& row : list.response.slots()) {
      texts.push_back(row.node() + "/" + row.slot().label() + " " +
                      (row.has_usage() ? std::to_string(row.usage().resident()) : "-"));
    }
    return texts;
  }

  std::unique_ptr<v1::FleetService::Stub> viewer_;
};

TEST_F(ListUsageTest, EachNodeIsAskedOnceForItsRowsOfThePage) {
  auto one = NodeWith("web-01", {MakeSlot("a", 7), MakeSlot("b", 8)});
  auto two = NodeWith("web-02", {MakeSlot("a", 7)});
  std::thread guardians([&] {
    const v1::DetailRequest first = Question(one.get());
    EXPECT_THAT(first.usage().generations(), ElementsAre(7, 8));
    EXPECT_EQ(first.generation(), 0);
    v1::DetailReply reply = Reply(first);
    // A slot that is gone, and one that nobody asked for.
    reply.mutable_usage()->mutable_rows(0)->set_generation(99);
    const v1::DetailRequest second = Question(two.get());
    v1::DetailReply other = Reply(second);
    other.mutable_usage()->mutable_rows(0)->mutable_usage()->set_resident(42);
    EXPECT_TRUE(two->SendDetail(other));
    EXPECT_TRUE(one->SendDetail(reply));
  });
  const List list = ListSlots();
  guardians.join();
  EXPECT_THAT(Texts(list), ElementsAre("web-01/a -", "web-01/b 800", "web-02/a 42"));
  EXPECT_EQ(list.response.summary().slots(), 3);
  EXPECT_TRUE(list.response.has_as_of());
}

TEST_F(ListUsageTest, ANodeThatNeverAnswersCostsTwoSecondsAndItsOwnRowsOnly) {
  auto answers = NodeWith("web-01", {MakeSlot("a", 7)});
  auto silent = NodeWith("web-02", {MakeSlot("a", 8)});
  std::thread guardian([&] { EXPECT_TRUE(answers->SendDetail(Reply(Question(answers.get())))); });
  const List list = ListSlots();
  guardian.join();
  EXPECT_THAT(Texts(list), ElementsAre("web-01/a 700", "web-02/a -"));
  EXPECT_GE(list.took, DetailDesk::kUsagePatience);
  // 2 s are promised; the rest is for a machine that is busy with other tests.
  EXPECT_LT(list.took, seconds(4));
  // What comes after that answers nobody.
  EXPECT_TRUE(silent->SendDetail(Reply(Question(silent.get()))));
  EXPECT_TRUE(silent->SendEvents({silent->MakeEvent(5, 2)}));
  EXPECT_TRUE(silent->AwaitAck(5, 2)) << "the session goes on";
}

TEST_F(ListUsageTest, WhoDoesNotAskForItAsksNoNode) {
  auto node = NodeWith("web-01", {MakeSlot("a", 7)});
  EXPECT_THAT(Texts(ListSlots(/*with_usage=*/false)), ElementsAre("web-01/a -"));
  EXPECT_TRUE(node->SendEvents({node->MakeEvent(5, 2)}));
  EXPECT_TRUE(node->Receive().has_event_ack()) << "it was asked nothing";
}

TEST_F(ListUsageTest, NodesThatCannotTellAreAskedForNothingMore) {
  auto old = Node("web-01");
  old->set_features({"holds"});
  ASSERT_TRUE(old->Connect());
  ASSERT_TRUE(old->SendSnapshot({MakeSlot("a", 7)}));
  ASSERT_TRUE(old->SendEvents({old->MakeEvent(5, 1)}));
  ASSERT_TRUE(old->AwaitAck(5, 1));
  // This one knows details, but not usage: it tells of itself.
  auto older = NodeWith("web-02", {MakeSlot("a", 8)});
  auto gone = NodeWith("web-03", {MakeSlot("a", 9)});
  ASSERT_TRUE(gone->End().ok());
  std::thread guardian([&] {
    v1::DetailReply reply;
    reply.set_request(Question(older.get()).request());
    (void)reply.mutable_node();
    EXPECT_TRUE(older->SendDetail(reply));
  });
  const List list = ListSlots();
  guardian.join();
  EXPECT_THAT(Texts(list), ElementsAre("web-01/a -", "web-02/a -", "web-03/a -"));
  EXPECT_TRUE(old->SendEvents({old->MakeEvent(5, 2)}));
  EXPECT_TRUE(old->Receive().has_event_ack()) << "it was asked nothing";
}

TEST_F(ListUsageTest, ANodeThatDisconnectsMeanwhileIsNotWaitedFor) {
  auto node = NodeWith("web-01", {MakeSlot("a", 7)});
  List list;
  std::thread caller([&] { list = ListSlots(); });
  (void)Question(node.get());
  node->Cancel();
  caller.join();
  EXPECT_THAT(Texts(list), ElementsAre("web-01/a -"));
}

TEST_F(ListUsageTest, APageHoldsAThousandRows) {
  std::vector<v1::Slot> slots;
  for (int i = 0; i < 1001; ++i) slots.push_back(MakeSlot("s" + std::to_string(10'000 + i), i + 1));
  auto node = NodeWith("web-01", slots);
  v1::ListSlotsRequest request;
  request.set_with_usage(true);
  request.set_page_size(5000);
  std::thread guardian([&] {
    for (const int rows : {1000, 1}) {
      const v1::DetailRequest question = Question(node.get());
      EXPECT_THAT(question.usage().generations(), SizeIs(rows));
      EXPECT_TRUE(node->SendDetail(Reply(question)));
    }
  });
  const List first = ListSlots(request);
  EXPECT_THAT(first.response.slots(), SizeIs(1000));
  request.set_page_token(first.response.next_page_token());
  const List second = ListSlots(request);
  guardian.join();
  EXPECT_THAT(Texts(second), ElementsAre("web-01/s11000 100100"));
}

TEST_F(ListUsageTest, BeyondTheMostAtATimeAListComesWithoutUsage) {
  auto node = NodeWith("web-01", {MakeSlot("a", 7)});
  std::deque<List> lists(ListUsageCall<v1::ListSlotsResponse>::kMost);
  std::vector<std::thread> callers;
  for (List& list : lists) callers.emplace_back([this, &list] { list = ListSlots(); });
  std::vector<v1::DetailRequest> questions;
  while (questions.size() < lists.size()) questions.push_back(Question(node.get()));
  // All wait for the node now, if not for long; so nothing is answered before this one.
  EXPECT_THAT(Texts(ListSlots()), ElementsAre("web-01/a -"));
  for (const v1::DetailRequest& question : questions) {
    EXPECT_TRUE(node->SendDetail(Reply(question)));
  }
  for (std::thread& caller : callers) caller.join();
  for (const List& list : lists) EXPECT_THAT(Texts(list), SizeIs(1));
  std::thread guardian([&] { EXPECT_TRUE(node->SendDetail(Reply(Question(node.get())))); });
  const List after = ListSlots();
  guardian.join();
  EXPECT_THAT(Texts(after), ElementsAre("web-01/a 700")) << "there is room again";
}

TEST_F(ListUsageTest, AFilterByUsageAsksTheNodesAndDropsWhatDoesNotMatch) {
  auto one = NodeWith("web-01", {MakeSlot("a", 7), MakeSlot("b", 8), MakeSlot("c", 9)});
  auto two = NodeWith("web-02", {MakeSlot("a", 11)});
  auto silent = NodeWith("web-03", {MakeSlot("a", 12)});
  ASSERT_TRUE(silent->End().ok());
  std::thread guardians([&] {
    const v1::DetailRequest question = Question(one.get());
    EXPECT_THAT(question.usage().generations(), ElementsAre(7, 8)) << "c cannot match";
    v1::DetailReply reply = Reply(question);
    reply.mutable_usage()->mutable_rows(0)->mutable_usage()->set_cpu_percent(80);
    EXPECT_TRUE(one->SendDetail(reply));
    EXPECT_TRUE(two->SendDetail(Reply(Question(two.get()))));
  });
  v1::ListSlotsRequest request;
  request.set_filter("(cpu>50 OR memory>=1100) slot!=c");
  const List list = ListSlots(request);
  guardians.join();
  EXPECT_THAT(Texts(list), ElementsAre("web-01/a 700", "web-02/a 1100"));
  EXPECT_EQ(list.response.summary().slots(), 5);
  EXPECT_EQ(list.response.next_page_token(), "");
}

TEST_F(ListUsageTest, AFilterByUsageBeyondTheMostAtATimeIsRefused) {
  auto node = NodeWith("web-01", {MakeSlot("a", 7)});
  std::deque<List> lists(ListUsageCall<v1::ListSlotsResponse>::kMost);
  std::vector<std::thread> callers;
  for (List& list : lists) callers.emplace_back([this, &list] { list = ListSlots(); });
  std::vector<v1::DetailRequest> questions;
  while (questions.size() < lists.size()) questions.push_back(Question(node.get()));
  v1::ListSlotsRequest request;
  request.set_filter("memory>1");
  const List refused = ListSlots(request);
  EXPECT_EQ(refused.status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_THAT(refused.status.error_message(), HasSubstr("try again"));
  for (const v1::DetailRequest& question : questions) {
    EXPECT_TRUE(node->SendDetail(Reply(question)));
  }
  for (std::thread& caller : callers) caller.join();
}

TEST_F(ListUsageTest, WrongArgumentsAreRefused) {
  v1::ListSlotsRequest request;
  request.set_with_usage(true);
  request.set_filter("nonsense=1");
  EXPECT_EQ(ListSlots(request).status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
}

TEST_F(ListUsageTest, AControllerThatGoesDownEndsIt) {
  auto node = NodeWith("web-01", {MakeSlot("a", 7)});
  List list;
  std::thread caller([&] { list = ListSlots(); });
  (void)Question(node.get());
  server_->Stop();
  caller.join();
  // The node's session ends first and usually completes it; or the call itself is ended.
  if (!list.status.ok()) {
    EXPECT_EQ(list.status.error_code(), grpc::StatusCode::UNAVAILABLE);
    EXPECT_THAT(list.status.error_message(), HasSubstr("going down"));
  } else {
    EXPECT_THAT(Texts(list), ElementsAre("web-01/a -"));
  }
}

}  // namespace
}  // namespace procctl::controller
