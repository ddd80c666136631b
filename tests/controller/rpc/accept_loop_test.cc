// The accept loop under a flood of connections that never say a word.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <chrono>

#include "proto/support/unique_fd.h"
#include "tests/controller/rpc/server_fixture.h"

namespace procctl::controller {
namespace {

UniqueFd Connect(const std::string& address) {
  sockaddr_in to = {};
  to.sin_family = AF_INET;
  to.sin_port = htons(static_cast<uint16_t>(std::stoi(address.substr(address.rfind(':') + 1))));
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  UniqueFd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  EXPECT_EQ(connect(fd.get(), reinterpret_cast<sockaddr*>(&to), sizeof(to)), 0);
  return fd;
}

// True once the other side has closed it; waits up to `ms`.
bool IsClosed(const UniqueFd& fd, int ms) {
  pollfd wait = {fd.get(), POLLIN, 0};
  char byte = 0;
  return poll(&wait, 1, ms) == 1 && recv(fd.get(), &byte, 1, MSG_DONTWAIT) <= 0;
}

class AcceptLoopTest : public ServerTest {
 protected:
  // Started by each test, which first decides the limit.
  void SetUp() override {}
};

// Both ends of each connection are in this process, so the limit the loop is told leaves it room
// for some, and the real one is never reached.
TEST_F(AcceptLoopTest, WhatIsOverTheLimitIsShedAtOnceAndTheServerStaysReachable) {
  options_.descriptor_limit = 160;
  options_.connections.per_address = 1000;
  Start();
  auto node = Node("web-01");
  ASSERT_TRUE(node->Connect());

  std::vector<UniqueFd> flood;
  for (int i = 0; i < 600; ++i) flood.push_back(Connect(server_->address()));
  size_t shed = 0;
  // The last ones are far over it; the loop sheds in the order they came.
  ASSERT_TRUE(IsClosed(flood.back(), 10'000));
  for (const UniqueFd& fd : flood) shed += IsClosed(fd, 0) ? 1 : 0;
  EXPECT_GE(shed, 400U);

  ASSERT_TRUE(node->SendEvents({node->MakeEvent(5, 1)}));
  EXPECT_TRUE(node->AwaitAck(5, 1)) << "who was connected stays so";
  const auto released = std::chrono::steady_clock::now();
  flood.clear();
  EXPECT_EQ(Slots().size(), 0U);
  EXPECT_LT(std::chrono::steady_clock::now() - released, std::chrono::seconds(10));
}

TEST_F(AcceptLoopTest, ASecondServerOnTheSamePortIsRefused) {
  Start();
  ServerOptions second = options_;
  second.listen = server_->address();
  second.state_dir = folder_.path() + "/other-state";
  const auto started = Server::Start(second);
  ASSERT_FALSE(started.ok());
  EXPECT_NE(started.status().message().find("in use"), absl::string_view::npos) << started.status();
}

TEST_F(AcceptLoopTest, AnAddressThatIsNoneIsRefusedBeforeAnythingStarts) {
  for (const char* address : {"localhost", "no.such.host.invalid:1", ":", "127.0.0.1:99999"}) {
    options_.listen = address;
    EXPECT_FALSE(Server::Start(options_).ok()) << address;
  }
}

}  // namespace
}  // namespace procctl::controller
