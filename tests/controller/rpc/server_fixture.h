// A real server in this process, on a free port of loopback, with mTLS and a state folder of its
// own.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "controller/rpc/server.h"
#include "procctl/v1/fleet_service.grpc.pb.h"
#include "tests/controller/rpc/fake_node.h"
#include "tests/proto/test_fleet.h"

namespace procctl::controller {

class ServerTest : public ::testing::Test {
 protected:
  ServerTest();
  void SetUp() override { Start(); }
  void Start();
  // Ends it in good order and starts it again on the same state.
  void Restart();

  // With a connection of its own.
  std::shared_ptr<grpc::Channel> Channel(Role role, const std::string& id);
  std::unique_ptr<FakeNode> Node(const std::string& id);
  std::unique_ptr<v1::FleetService::Stub> Caller(Role role, const std::string& id = "alice");

  // "node/label state" of all slots that match.
  std::vector<std::string> Slots(const std::string& filter = "");
  std::vector<v1::Event> Events(const std::string& filter = "");
  // Empty id: there is no such node among those that match.
  v1::Node FindNode(const std::string& node, const std::string& filter = "");
  // Looks again and again; false: it did not come to hold within half a minute.
  static bool Await(const std::function<bool()>& holds);
  // False: it did not come to that within half a minute.
  bool AwaitState(const std::string& node, v1::NodeState state);
  // So many events that match are committed; false: not within half a minute.
  bool AwaitEvents(const std::string& filter, size_t count);

  v1::KillSlotsRequest KillRequest(const std::string& id, const std::vector<std::string>& nodes);
  struct Kill {
    std::vector<v1::KillSlotsResponse> messages;
    grpc::Status status;
    const v1::TargetProgress& Last(int target) const;
    const v1::KillSummary& summary() const { return messages.back().summary(); }
  };
  // Runs the call to its end.
  Kill RunKill(const v1::KillSlotsRequest& request, Role role = Role::kOperator);

  v1::HoldSlotsRequest HoldRequest(const std::string& id, const std::vector<std::string>& nodes);
  struct Hold {
    v1::HoldSlotsResponse response;
    grpc::Status status;
    const v1::HoldOutcome& outcome(int target) const { return response.outcomes(target); }
  };
  Hold RunHold(const v1::HoldSlotsRequest& request, Role role = Role::kOperator);

  // Returns when everything the server recorded before is committed: the log is in order.
  void Settle();

  testing::TestFleet fleet_;
  testing::TemporaryFolder folder_;
  ServerOptions options_;
  std::unique_ptr<Server> server_;
  int settled_ = 0;
};

// A call that no test lets wait for ever.
class Call : public grpc::ClientContext {
 public:
  Call();
};

}  // namespace procctl::controller
