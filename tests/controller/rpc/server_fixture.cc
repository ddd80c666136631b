#include "tests/controller/rpc/server_fixture.h"

#include <cctype>
#include <chrono>
#include <thread>

#include "proto/support/channel.h"

namespace procctl::controller {

namespace {

// As filters spell it.
std::string LowerState(v1::NodeState state) {
  std::string name = v1::NodeState_Name(state).substr(std::string("NODE_STATE_").size());
  for (char& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return name;
}

}  // namespace

Call::Call() {
  set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(30));
  set_wait_for_ready(true);
}

ServerTest::ServerTest() {
  options_.listen = "127.0.0.1:0";
  options_.state_dir = folder_.path() + "/state";
  options_.tls = testing::Read(fleet_.Controller());
  options_.identity = ReadCertificate(options_.tls.cert)->identity;
}

void ServerTest::Start() {
  auto started = Server::Start(options_);
  ASSERT_TRUE(started.ok()) << started.status();
  server_ = *std::move(started);
}

void ServerTest::Restart() {
  server_->Stop();
  server_.reset();
  Start();
}

std::shared_ptr<grpc::Channel> ServerTest::Channel(Role role, const std::string& id) {
  return MakeChannel(server_->address(), "localhost", testing::Read(fleet_.Issue(role, id)));
}

std::unique_ptr<FakeNode> ServerTest::Node(const std::string& id) {
  return std::make_unique<FakeNode>(Channel(Role::kNode, id), id);
}

std::unique_ptr<v1::FleetService::Stub> ServerTest::Caller(Role role, const std::string& id) {
  return v1::FleetService::NewStub(Channel(role, id));
}

std::vector<std::string> ServerTest::Slots(const std::string& filter) {
  v1::ListSlotsRequest request;
  v1::ListSlotsResponse response;
  request.set_filter(filter);
  Call call;
  const grpc::Status status = Caller(Role::kViewer)->ListSlots(&call, request, &response);
  EXPECT_TRUE(status.ok()) << status.error_message();
  std::vector<std::string> slots;
  for (const v1::FleetSlot& slot : response.slots()) {
    slots.push_back(slot.node() + "/" + slot.slot().label() + " " +
                    v1::SlotState_Name(slot.slot().state()).substr(11));
  }
  return slots;
}

std::vector<v1::Event> ServerTest::Events(const std::string& filter) {
  v1::ListEventsRequest request;
  request.set_filter(filter);
  request.set_page_size(100);
  const auto caller = Caller(Role::kViewer);
  std::vector<v1::Event> events;
  for (;;) {
    v1::ListEventsResponse response;
    Call call;
    const grpc::Status status = caller->ListEvents(&call, request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    for (const v1::StoredEvent& stored : response.events()) events.push_back(stored.event());
    if (response.next_page_token().empty()) return events;
    request.set_page_token(response.next_page_token());
  }
}

v1::Node ServerTest::FindNode(const std::string& node, const std::string& filter) {
  v1::ListNodesRequest request;
  v1::ListNodesResponse response;
  request.set_filter(filter);
  Call call;
  const grpc::Status status = Caller(Role::kViewer)->ListNodes(&call, request, &response);
  EXPECT_TRUE(status.ok()) << status.error_message();
  for (const v1::Node& row : response.nodes()) {
    if (row.id() == node) return row;
  }
  return {};
}

bool ServerTest::Await(const std::function<bool()>& holds) {
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (!holds()) {
    if (std::chrono::steady_clock::now() > until) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  return true;
}

bool ServerTest::AwaitState(const std::string& node, v1::NodeState state) {
  return Await([&] { return FindNode(node, "state=" + LowerState(state)).state() == state; });
}

bool ServerTest::AwaitEvents(const std::string& filter, size_t count) {
  return Await([&] { return Events(filter).size() >= count; });
}

v1::KillSlotsRequest ServerTest::KillRequest(const std::string& id,
                                             const std::vector<std::string>& nodes) {
  v1::KillSlotsRequest request;
  request.set_request_id(id);
  request.set_reason("stuck");
  for (const std::string& node : nodes) {
    v1::KillTarget* target = request.add_targets();
    target->set_node(node);
    target->set_slot("encoder");
    *target->mutable_incarnation() = MakeSlot("encoder", 7).incarnation();
  }
  return request;
}

const v1::TargetProgress& ServerTest::Kill::Last(int target) const {
  static const v1::TargetProgress kNone;
  for (auto message = messages.rbegin(); message != messages.rend(); ++message) {
    if (message->has_progress() && message->progress().target() == target) {
      return message->progress();
    }
  }
  return kNone;
}

ServerTest::Kill ServerTest::RunKill(const v1::KillSlotsRequest& request, Role role) {
  Kill kill;
  Call call;
  const auto caller = Caller(role);
  const auto stream = caller->KillSlots(&call, request);
  v1::KillSlotsResponse response;
  while (stream->Read(&response)) kill.messages.push_back(response);
  kill.status = stream->Finish();
  return kill;
}

v1::HoldSlotsRequest ServerTest::HoldRequest(const std::string& id,
                                             const std::vector<std::string>& nodes) {
  v1::HoldSlotsRequest request;
  request.set_request_id(id);
  request.set_reason("migration");
  request.mutable_hold_for()->set_seconds(600);
  *request.mutable_targets() = KillRequest(id, nodes).targets();
  return request;
}

ServerTest::Hold ServerTest::RunHold(const v1::HoldSlotsRequest& request, Role role) {
  Hold hold;
  Call call;
  hold.status = Caller(role)->HoldSlots(&call, request, &hold.response);
  return hold;
}

void ServerTest::Settle() {
  const Kill kill = RunKill(KillRequest("settle-" + std::to_string(++settled_), {"nobody"}));
  EXPECT_TRUE(kill.status.ok()) << kill.status.error_message();
}

}  // namespace procctl::controller
