// What a server does for those who are well-behaved, whoever else calls: places for newcomers, the
// time they have, and what is refused when memory is short.
#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <grpcpp/generic/generic_stub.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <chrono>

#include "absl/synchronization/mutex.h"
#include "controller/rpc/health_check.h"
#include "proto/support/unique_fd.h"
#include "tests/controller/rpc/server_fixture.h"

namespace procctl::controller {
namespace {

using std::chrono::seconds;
using ::testing::HasSubstr;

// From an address of its own: what is counted by address must not meet the test's own callers.
UniqueFd ConnectFrom(const char* source, const std::string& address) {
  sockaddr_in from = {};
  from.sin_family = AF_INET;
  EXPECT_EQ(inet_pton(AF_INET, source, &from.sin_addr), 1);
  sockaddr_in to = from;
  to.sin_port = htons(static_cast<uint16_t>(std::stoi(address.substr(address.rfind(':') + 1))));
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  UniqueFd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  EXPECT_EQ(bind(fd.get(), reinterpret_cast<sockaddr*>(&from), sizeof(from)), 0);
  EXPECT_EQ(connect(fd.get(), reinterpret_cast<sockaddr*>(&to), sizeof(to)), 0);
  return fd;
}

bool IsClosed(const UniqueFd& fd, int ms) {
  pollfd wait = {fd.get(), POLLIN, 0};
  char byte = 0;
  return poll(&wait, 1, ms) == 1 && recv(fd.get(), &byte, 1, MSG_DONTWAIT) <= 0;
}

class LimitsTest : public ServerTest {
 protected:
  // Started by each test, which first decides the limits.
  void SetUp() override {}

  // -1: no answer.
  int Health(const std::string& service) {
    const auto channel = Channel(Role::kViewer, "probe");
    const HealthAnswer answer = CheckHealth(channel.get(), service, seconds(30));
    if (!answer.status.ok()) return -1;
    return answer.serving ? kServing : kNotServing;
  }
  static constexpr int kServing = 1;
  static constexpr int kNotServing = 2;
  static constexpr char kFleetService[] = "procctl.v1.FleetService";
};

TEST_F(LimitsTest, AnAddressHasItsShareOfPlacesUntilItCalls) {
  options_.connections.per_address = 4;
  options_.connections.handshake_timeout = seconds(60);
  Start();
  std::vector<UniqueFd> silent;
  for (int i = 0; i < 4; ++i) silent.push_back(ConnectFrom("127.0.0.9", server_->address()));
  const UniqueFd fifth = ConnectFrom("127.0.0.9", server_->address());
  EXPECT_TRUE(IsClosed(fifth, 10'000));
  for (const UniqueFd& fd : silent) EXPECT_FALSE(IsClosed(fd, 0));

  // Those that have begun a call do not count: far more than four of one address.
  std::vector<std::unique_ptr<FakeNode>> nodes;
  for (int i = 0; i < 12; ++i) {
    nodes.push_back(Node("n" + std::to_string(i)));
    ASSERT_TRUE(nodes.back()->Connect()) << i;
  }
  // A place is free again when a connection ends.
  silent.front().Reset();
  const auto deadline = std::chrono::steady_clock::now() + seconds(10);
  bool taken_in = false;
  while (!taken_in && std::chrono::steady_clock::now() < deadline) {
    const UniqueFd again = ConnectFrom("127.0.0.9", server_->address());
    taken_in = !IsClosed(again, 200);
  }
  EXPECT_TRUE(taken_in);
}

TEST_F(LimitsTest, WhoShowsACertificateAndBeginsNoCallIsClosedAndWhoCallsIsNot) {
  options_.connections.handshake_timeout = seconds(1);
  Start();
  auto node = Node("web-01");
  ASSERT_TRUE(node->Connect());
  const auto idle = Channel(Role::kViewer, "idler");
  const auto patience = [] { return std::chrono::system_clock::now() + seconds(30); };
  ASSERT_TRUE(idle->WaitForConnected(patience())) << "TLS and HTTP/2 are complete";
  EXPECT_TRUE(idle->WaitForStateChange(GRPC_CHANNEL_READY, patience())) << "and yet it is closed";
  ASSERT_TRUE(node->SendEvents({node->MakeEvent(5, 1)}));
  EXPECT_TRUE(node->AwaitAck(5, 1)) << "whose session lasts longer than the timeout by now";
}

TEST_F(LimitsTest, WhoSaysNothingAtAllIsClosed) {
  options_.connections.handshake_timeout = seconds(1);
  Start();
  const UniqueFd silent = ConnectFrom("127.0.0.9", server_->address());
  EXPECT_TRUE(IsClosed(silent, 30'000));
}

TEST_F(LimitsTest, ReadinessAndLivenessAreToldApart) {
  // Any process is over this: the fuse blows at the first tick.
  options_.memory = 1;
  Start();
  const auto deadline = std::chrono::steady_clock::now() + seconds(20);
  while (Health(kFleetService) != kNotServing && std::chrono::steady_clock::now() < deadline) {
  }
  EXPECT_EQ(Health(kFleetService), kNotServing);
  EXPECT_EQ(Health("procctl.v1.NodeService"), kNotServing);
  EXPECT_EQ(Health(""), kServing) << "to restart it would mend nothing";
  EXPECT_EQ(Health("no.such.Service"), -1);

  const auto viewer = Caller(Role::kViewer);
  v1::ListSlotsResponse slots;
  Call list;
  const grpc::Status refused = viewer->ListSlots(&list, v1::ListSlotsRequest(), &slots);
  EXPECT_EQ(refused.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_THAT(refused.error_message(), HasSubstr("short of memory"));
  v1::GetFleetResponse about;
  Call get;
  EXPECT_TRUE(viewer->GetFleet(&get, v1::GetFleetRequest(), &about).ok());
  auto node = Node("web-01");
  EXPECT_FALSE(node->Connect());
  EXPECT_EQ(node->End().error_code(), grpc::StatusCode::UNAVAILABLE);

  options_.memory = 0;
  Restart();
  EXPECT_EQ(Health(kFleetService), kServing);
  EXPECT_TRUE(Node("web-01")->Connect());
  const std::vector<v1::Event> alarms = Events("kind=controller_alarm");
  ASSERT_EQ(alarms.size(), 1U) << "one event, however often it was looked at";
  EXPECT_EQ(alarms[0].severity(), v1::SEVERITY_ALARM);
  EXPECT_THAT(alarms[0].message(), HasSubstr("no new session, watch or list begins"));
}

// Groups in groups, all of them closed again: nothing is wrong with it but the depth.
std::string Nested(int depth) {
  return std::string(static_cast<size_t>(depth), '\x0b') +
         std::string(static_cast<size_t>(depth), '\x0c');
}

TEST_F(LimitsTest, WhatNestsTooDeeplyIsRefusedByEveryKindOfMethod) {
  Start();
  const auto channel = Channel(Role::kOperator, "alice");
  const auto status_of = [&](const std::string& method, const std::string& message) {
    grpc::GenericStub stub(channel);
    Call context;
    const grpc::Slice bytes(message);
    const grpc::ByteBuffer request(&bytes, 1);
    grpc::ByteBuffer response;
    grpc::Status status;
    absl::Mutex mutex;
    bool done = false;
    stub.UnaryCall(&context, method, grpc::StubOptions(), &request, &response,
                   [&](grpc::Status end) {
                     absl::MutexLock lock(&mutex);
                     status = std::move(end);
                     done = true;
                   });
    absl::MutexLock lock(&mutex);
    mutex.Await(absl::Condition(&done));
    return status;
  };
  for (const char* const method :
       {"/procctl.v1.FleetService/ListSlots", "/procctl.v1.FleetService/ListNodes"}) {
    EXPECT_TRUE(status_of(method, Nested(90)).ok()) << method;
    EXPECT_FALSE(status_of(method, Nested(110)).ok()) << method;
    EXPECT_FALSE(status_of(method, std::string(1 << 20, '\x0b')).ok()) << method;
  }
  // A stream: what it answers to an empty order to stop is another matter than that it was read.
  const std::string kill = "/procctl.v1.FleetService/KillSlots";
  EXPECT_NE(status_of(kill, Nested(90)).error_message(),
            status_of(kill, Nested(110)).error_message());
  EXPECT_TRUE(status_of("/procctl.v1.FleetService/ListNodes", "").ok());
}

TEST_F(LimitsTest, AMessageOverTheMostEndsItsSessionOnly) {
  Start();
  auto other = Node("web-02");
  ASSERT_TRUE(other->Connect());
  auto node = Node("web-01");
  ASSERT_TRUE(node->Connect());
  v1::SessionRequest large;
  v1::Event* event = large.mutable_events()->add_events();
  *event = node->MakeEvent(5, 1);
  event->set_message(std::string(5 << 20, 'x'));
  (void)node->Send(large);
  EXPECT_EQ(node->Receive().message_case(), v1::SessionResponse::MESSAGE_NOT_SET)
      << "the stream has ended";
  ASSERT_TRUE(other->SendEvents({other->MakeEvent(5, 1)}));
  EXPECT_TRUE(other->AwaitAck(5, 1));
  EXPECT_EQ(Events("node=web-01 kind=hung").size(), 0U);
}

}  // namespace
}  // namespace procctl::controller
