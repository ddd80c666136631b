#include "controller/rpc/flood_watch.h"

#include <gmock/gmock.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>
#include <gtest/gtest.h>

#include <memory>
#include <thread>

namespace procctl::controller {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(FloodWatch, WhoHasMoreStreamsOpenThanAllowedFloods) {
  const std::vector<StreamCounts> connections = {
      {"a", 1000, 900}, {"b", 1000, 899}, {"c", 1'000'000, 999'999}, {"d", 0, 0}};
  EXPECT_THAT(Flooding(connections, 100), ElementsAre("b"));
  EXPECT_THAT(Flooding({}, 100), IsEmpty());
}

TEST(FloodWatch, ReadsWhatTheTransportSaysOfAConnection) {
  StreamCounts counts;
  ASSERT_TRUE(ParseSocket(
      R"({"socket":{"data":{"streamsFailed":"3","streamsStarted":"12","streamsSucceeded":"4"},)"
      R"("ref":{"name":"chttp2 ipv4:127.0.0.1:47822","socketId":"6"}}})",
      &counts));
  EXPECT_EQ(counts.peer, "ipv4:127.0.0.1:47822");
  EXPECT_EQ(counts.started, 12);
  EXPECT_EQ(counts.ended, 7);
  ASSERT_TRUE(ParseSocket(R"({"socket":{"data":{},"ref":{"name":"x ipv4:1.2.3.4:5"}}})", &counts));
  EXPECT_EQ(counts.started, 0) << "what is 0 is left out";
  EXPECT_EQ(counts.ended, 0);
  for (const char* const other :
       {"", "[]", "{", "{}", R"({"socket":{"ref":{"name":"listener"}}})"}) {
    EXPECT_FALSE(ParseSocket(other, &counts)) << other;
  }
}

// That gRPC's own words are those that ParseSocket knows. The calls begin and are never answered,
// for nobody takes them.
TEST(FloodWatch, CountsTheStreamsOfARealConnection) {
  grpc::AsyncGenericService service;
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
  builder.RegisterAsyncGenericService(&service);
  const auto server_queue = builder.AddCompletionQueue();
  const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  ASSERT_NE(server, nullptr);
  std::thread poller([&] {
    void* tag = nullptr;
    bool ok = false;
    while (server_queue->Next(&tag, &ok)) {
    }
  });
  const auto own = [&]() -> StreamCounts {
    for (const StreamCounts& counts : CountStreams()) {
      if (counts.started > 0) return counts;
    }
    return {};
  };
  {
    const auto channel = grpc::CreateChannel("127.0.0.1:" + std::to_string(port),
                                             grpc::InsecureChannelCredentials());
    grpc::GenericStub stub(channel);
    grpc::CompletionQueue queue;
    constexpr int kCalls = 5;
    std::vector<std::unique_ptr<grpc::ClientContext>> contexts;
    std::vector<std::unique_ptr<grpc::GenericClientAsyncReaderWriter>> calls;
    for (int i = 0; i < kCalls; ++i) {
      contexts.push_back(std::make_unique<grpc::ClientContext>());
      contexts.back()->set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(30));
      contexts.back()->set_wait_for_ready(true);
      calls.push_back(stub.PrepareCall(contexts.back().get(), "/x.Y/Z", &queue));
      calls.back()->StartCall(nullptr);
    }
    void* tag = nullptr;
    bool ok = false;
    for (int i = 0; i < kCalls; ++i) ASSERT_TRUE(queue.Next(&tag, &ok) && ok);
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (own().started < kCalls && std::chrono::steady_clock::now() < deadline) {
    }
    EXPECT_EQ(own().started, kCalls);
    EXPECT_EQ(own().ended, 0);
    EXPECT_THAT(Flooding(CountStreams(), kCalls - 1), ElementsAre(own().peer));
    for (const auto& context : contexts) context->TryCancel();
    std::vector<grpc::Status> statuses(kCalls);
    for (int i = 0; i < kCalls; ++i)
      calls[static_cast<size_t>(i)]->Finish(&statuses[static_cast<size_t>(i)], nullptr);
    for (int i = 0; i < kCalls; ++i) ASSERT_TRUE(queue.Next(&tag, &ok));
    queue.Shutdown();
    while (queue.Next(&tag, &ok)) {
    }
  }
  server->Shutdown(std::chrono::system_clock::now());
  server_queue->Shutdown();
  poller.join();
}

}  // namespace
}  // namespace procctl::controller
