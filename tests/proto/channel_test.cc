#include "proto/support/channel.h"

#include <grpcpp/server.h>
#include <gtest/gtest.h>

#include "procctl/v1/fleet_service.grpc.pb.h"
#include "proto/support/server_arguments.h"
#include "tests/proto/test_fleet.h"

namespace procctl {
namespace {

using testing::Read;
using testing::TestFleet;

class ChannelTest : public ::testing::Test {
 protected:
  // The port of a server for 127.0.0.1, localhost and ctl.example.
  int Start(const std::string& host) {
    grpc::ServerBuilder builder;
    ApplyServerArguments(&builder);
    int port = 0;
    builder.AddListeningPort(
        host + ":0",
        MakeServerCredentials(Read(fleet_.Controller({"localhost", "127.0.0.1", "ctl.example"}))),
        &port);
    builder.RegisterService(&service_);
    server_ = builder.BuildAndStart();
    return server_ == nullptr ? 0 : port;
  }

  bool Connects(const std::string& address, const std::string& server_name = "") {
    const auto channel =
        MakeChannel(address, server_name, Read(fleet_.Issue(Role::kOperator, "alice")));
    return channel->WaitForConnected(std::chrono::system_clock::now() + std::chrono::seconds(2));
  }

  TestFleet fleet_;
  // Every method answers UNIMPLEMENTED: only the connection matters here.
  v1::FleetService::CallbackService service_;
  std::unique_ptr<grpc::Server> server_;
};

TEST_F(ChannelTest, ConnectsByAnIpAddressThatTheCertificateIsFor) {
  const std::string port = std::to_string(Start("127.0.0.1"));
  EXPECT_TRUE(Connects("127.0.0.1:" + port));
}

TEST_F(ChannelTest, ConnectsByName) {
  const std::string port = std::to_string(Start("127.0.0.1"));
  EXPECT_TRUE(Connects("localhost:" + port));
}

TEST_F(ChannelTest, ConnectsByAnyAddressWhenTheServerNameIsGiven) {
  const std::string port = std::to_string(Start("127.0.0.1"));
  EXPECT_TRUE(Connects("127.0.0.1:" + port, "ctl.example"));
}

TEST_F(ChannelTest, RefusesAServerOfAnotherName) {
  const std::string port = std::to_string(Start("127.0.0.1"));
  const auto channel = MakeChannel("127.0.0.1:" + port, "other.example",
                                   Read(fleet_.Issue(Role::kOperator, "alice")));
  EXPECT_FALSE(
      channel->WaitForConnected(std::chrono::system_clock::now() + std::chrono::milliseconds(500)));
}

// Two servers on one port would each get half the connections.
TEST_F(ChannelTest, ASecondServerOnThePortFailsToStart) {
  const int port = Start("127.0.0.1");
  ASSERT_NE(port, 0);
  grpc::ServerBuilder builder;
  ApplyServerArguments(&builder);
  int second_port = 0;
  builder.AddListeningPort("127.0.0.1:" + std::to_string(port),
                           MakeServerCredentials(Read(fleet_.Controller())), &second_port);
  v1::FleetService::CallbackService service;
  builder.RegisterService(&service);
  const auto second = builder.BuildAndStart();
  EXPECT_TRUE(second == nullptr || second_port == 0);
}

}  // namespace
}  // namespace procctl
