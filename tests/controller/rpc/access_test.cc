// Who may call what, and how lists behave at their edges.
#include "controller/core/access.h"

#include <gmock/gmock.h>
#include <grpcpp/completion_queue.h>
#include <grpcpp/generic/generic_stub.h>
#include <gtest/gtest.h>

#include "google/protobuf/descriptor.h"
#include "proto/support/channel.h"
#include "proto/support/time_convert.h"
#include "tests/controller/rpc/server_fixture.h"

namespace procctl::controller {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(AccessTable, EveryMethodOfEveryServiceHasARow) {
  int methods = 0;
  for (const google::protobuf::FileDescriptor* file :
       {v1::Hello::descriptor()->file(), v1::KillSlotsRequest::descriptor()->file()}) {
    for (int s = 0; s < file->service_count(); ++s) {
      const google::protobuf::ServiceDescriptor* service = file->service(s);
      for (int m = 0; m < service->method_count(); ++m, ++methods) {
        const std::string method = "/" + service->full_name() + "/" + service->method(m)->name();
        EXPECT_TRUE(HasAccessRow(method)) << method << " can be called by nobody";
      }
    }
  }
  EXPECT_GE(methods, 6);
}

class AccessTest : public ServerTest {};

TEST_F(AccessTest, ACallerIsToldWhoItIs) {
  v1::GetFleetResponse response;
  Call call;
  ASSERT_TRUE(Caller(Role::kViewer, "bob")->GetFleet(&call, {}, &response).ok());
  EXPECT_EQ(response.you(), "viewer/bob");
  EXPECT_EQ(response.fleet(), "test");
  EXPECT_EQ(response.controller_id(), options_.identity.id);
}

TEST_F(AccessTest, ANodeMayNotLookAtTheFleet) {
  const auto caller = Caller(Role::kNode, "web-01");
  v1::ListSlotsResponse slots;
  v1::ListNodesResponse nodes;
  v1::ListEventsResponse events;
  v1::GetFleetResponse fleet;
  Call calls[4];
  for (const grpc::Status& status :
       {caller->ListSlots(&calls[0], {}, &slots), caller->ListNodes(&calls[1], {}, &nodes),
        caller->ListEvents(&calls[2], {}, &events), caller->GetFleet(&calls[3], {}, &fleet)}) {
    EXPECT_EQ(status.error_code(), grpc::StatusCode::PERMISSION_DENIED);
    EXPECT_THAT(status.error_message(), HasSubstr("you are node/web-01"));
  }
}

TEST_F(AccessTest, ACertificateOfAnotherFleetIsRefusedThoughItsCaIsTrusted) {
  testing::TestFleet other("other");
  const TlsPem stranger = testing::Read(other.Issue(Role::kAdmin, "root"));
  server_.reset();
  options_.tls.ca += stranger.ca;
  Start();
  TlsPem tls = stranger;
  tls.ca = testing::Read(fleet_.Issue(Role::kViewer, "x")).ca;
  const auto caller = v1::FleetService::NewStub(MakeChannel(server_->address(), "localhost", tls));
  v1::GetFleetResponse response;
  Call call;
  const grpc::Status status = caller->GetFleet(&call, {}, &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::PERMISSION_DENIED);
  EXPECT_THAT(status.error_message(), HasSubstr("fleet other"));
}

TEST_F(AccessTest, SlotsComeInPagesThatTogetherAreAll) {
  for (const char* id : {"a", "b"}) {
    auto node = Node(id);
    ASSERT_TRUE(node->Connect());
    std::vector<v1::Slot> slots;
    for (int i = 0; i < 25; ++i) slots.push_back(MakeSlot("w." + std::to_string(i), i + 1));
    ASSERT_TRUE(node->SendSnapshot(slots));
    ASSERT_TRUE(node->SendEvents({node->MakeEvent(1, 1)}));
    ASSERT_TRUE(node->AwaitAck(1, 1));
  }
  const auto caller = Caller(Role::kViewer);
  v1::ListSlotsRequest request;
  request.set_page_size(7);
  int slots = 0;
  int pages = 0;
  do {
    v1::ListSlotsResponse response;
    Call call;
    const grpc::Status status = caller->ListSlots(&call, request, &response);
    ASSERT_TRUE(status.ok()) << status.error_message();
    EXPECT_EQ(response.has_summary(), pages == 0);
    slots += response.slots_size();
    ++pages;
    request.set_page_token(response.next_page_token());
  } while (!request.page_token().empty());
  EXPECT_EQ(slots, 50);
  EXPECT_GE(pages, 8);
}

TEST_F(AccessTest, WrongArgumentsAreToldWhatWouldBeRight) {
  const auto caller = Caller(Role::kViewer);
  const auto refusal = [&](auto change) {
    v1::ListSlotsRequest request;
    change(&request);
    v1::ListSlotsResponse response;
    Call call;
    const grpc::Status status = caller->ListSlots(&call, request, &response);
    EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
    return status.error_message();
  };
  using R = v1::ListSlotsRequest*;
  EXPECT_THAT(refusal([](R r) { r->set_filter("stat=hung"); }), HasSubstr("keys are node"));
  EXPECT_THAT(refusal([](R r) { r->set_page_size(-1); }), HasSubstr("page_size -1"));
  EXPECT_THAT(refusal([](R r) { r->set_page_token("!!"); }), HasSubstr("page_token"));
  v1::ListEventsRequest events;
  events.set_page_token("bm9wZQ==");
  v1::ListEventsResponse response;
  Call call;
  EXPECT_EQ(caller->ListEvents(&call, events, &response).error_code(),
            grpc::StatusCode::INVALID_ARGUMENT);
}

TEST_F(AccessTest, TheNewestEventsAndThoseSinceCanBeAskedFor) {
  auto node = Node("a");
  ASSERT_TRUE(node->Connect());
  std::vector<v1::Event> sent;
  for (int seq = 1; seq <= 20; ++seq) sent.push_back(node->MakeEvent(1, seq));
  ASSERT_TRUE(node->SendEvents(sent));
  ASSERT_TRUE(node->AwaitAck(1, 20));
  const auto caller = Caller(Role::kViewer);
  v1::ListEventsRequest request;
  request.set_filter("kind=hung");
  request.set_newest(3);
  v1::ListEventsResponse response;
  Call call;
  ASSERT_TRUE(caller->ListEvents(&call, request, &response).ok());
  ASSERT_EQ(response.events_size(), 3);
  EXPECT_EQ(response.events(0).event().id().seq(), 18);
  *request.mutable_since() = ToProto(std::chrono::system_clock::now() + std::chrono::hours(1));
  Call later;
  ASSERT_TRUE(caller->ListEvents(&later, request, &response).ok());
  EXPECT_EQ(response.events_size(), 0);
}

TEST_F(AccessTest, PagesOfEventsWithEvidenceFitIntoWhatAnyClientTakes) {
  auto node = Node("a");
  ASSERT_TRUE(node->Connect());
  constexpr int kBatches = 10;
  constexpr int kPerBatch = 20;
  for (int batch = 0; batch < kBatches; ++batch) {
    std::vector<v1::Event> sent;
    for (int i = 1; i <= kPerBatch; ++i) {
      sent.push_back(node->MakeEvent(1, batch * kPerBatch + i));
      sent.back().set_kill(7);
      sent.back().mutable_evidence()->set_note(std::string(32 * 1024, 'x'));
    }
    ASSERT_TRUE(node->SendEvents(sent));
  }
  ASSERT_TRUE(node->AwaitAck(1, kBatches * kPerBatch));
  const auto caller = Caller(Role::kViewer);
  v1::ListEventsRequest request;
  request.set_filter("kill=7");
  request.set_page_size(5000);
  int events = 0;
  do {
    v1::ListEventsResponse response;
    Call call;
    const grpc::Status status = caller->ListEvents(&call, request, &response);
    ASSERT_TRUE(status.ok()) << status.error_message();
    EXPECT_LT(response.ByteSizeLong(), 2U * 1024 * 1024 + 1024);
    events += response.events_size();
    request.set_page_token(response.next_page_token());
  } while (!request.page_token().empty());
  EXPECT_EQ(events, kBatches * kPerBatch);
}

// What a call of gRPC's reflection ends with.
grpc::StatusCode ReflectionAnswer(const std::shared_ptr<grpc::Channel>& channel) {
  grpc::GenericStub stub(channel);
  grpc::CompletionQueue queue;
  Call call;
  auto stream = stub.PrepareCall(
      &call, "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", &queue);
  grpc::Status status;
  void* tag = nullptr;
  bool ok = false;
  stream->StartCall(nullptr);
  EXPECT_TRUE(queue.Next(&tag, &ok));
  stream->WritesDone(nullptr);
  EXPECT_TRUE(queue.Next(&tag, &ok));
  stream->Finish(&status, nullptr);
  EXPECT_TRUE(queue.Next(&tag, &ok));
  queue.Shutdown();
  while (queue.Next(&tag, &ok)) {
  }
  return status.error_code();
}

TEST_F(AccessTest, ReflectionIsServedOnlyWhereItIsConfigured) {
  EXPECT_EQ(ReflectionAnswer(Channel(Role::kViewer, "bob")), grpc::StatusCode::UNIMPLEMENTED);
  server_.reset();
  options_.reflection = true;
  Start();
  EXPECT_EQ(ReflectionAnswer(Channel(Role::kViewer, "bob")), grpc::StatusCode::OK);
}

}  // namespace
}  // namespace procctl::controller
