// A controller that goes down in good order has done nothing by half: what it took is committed,
// and acknowledged or sent again; whoever waits is told. That ends within 15 s, whoever does not
// listen, and with exit code 0 unless the disk itself gives no answer.
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <map>
#include <thread>
#include <vector>

#include "procctl/v1/fleet_service.grpc.pb.h"
#include "proto/support/channel.h"
#include "tests/controller/rpc/fake_node.h"
#include "tests/e2e/harness/fleet.h"
#include "tests/e2e/harness/frozen_disk.h"

namespace procctl::e2e {
namespace {

using controller::FakeNode;

constexpr int kSessions = 200;
constexpr std::int64_t kEpoch = 5;
constexpr std::int64_t kBatch = 20;
// Beside the 15 s of the controller's own watchdog: what a loaded machine takes to notice.
constexpr auto kMostDrain = 25s;

TlsPem TlsOf(const std::string& folder) {
  return *ReadTls({folder + "/ca.crt", folder + "/cert.pem", folder + "/key.pem"});
}

// Nodes that this test plays itself, on one certificate each.
class Crowd {
 public:
  Crowd(Fleet* fleet, int size) : fleet_(fleet) {
    for (int i = 0; i < size; ++i) {
      CertificateRequest request;
      request.role = Role::kNode;
      request.id = "crowd-" + std::to_string(i);
      request.lifetime = std::chrono::hours(1);
      tls_.push_back(TlsOf(fleet->Issue(request)));
    }
  }
  void Connect() {
    nodes_.clear();
    for (size_t i = 0; i < tls_.size(); ++i) {
      const auto channel = MakeChannel(fleet_->address(), "localhost", tls_[i]);
      nodes_.push_back(std::make_unique<FakeNode>(channel, "crowd-" + std::to_string(i)));
      if (!nodes_.back()->Connect()) throw HarnessError("a fake node was not welcome");
    }
  }
  void Send(std::int64_t first_seq) {
    for (const auto& node : nodes_) {
      std::vector<v1::Event> events;
      for (std::int64_t seq = first_seq; seq < first_seq + kBatch; ++seq) {
        events.push_back(node->MakeEvent(kEpoch, seq));
      }
      (void)node->SendEvents(events);
    }
  }
  // Reads each session to its end. What was acknowledged at most, by node.
  std::vector<std::int64_t> AcknowledgedAtTheEnd() {
    std::vector<std::int64_t> acknowledged;
    for (const auto& node : nodes_) {
      std::int64_t most = 0;
      for (;;) {
        const v1::SessionResponse response = node->Receive();
        if (response.message_case() == v1::SessionResponse::MESSAGE_NOT_SET) break;
        for (const v1::EventCursor& cursor : response.event_ack().cursors()) {
          most = std::max(most, cursor.seq());
        }
      }
      statuses_[node->End().error_code()]++;
      acknowledged.push_back(most);
    }
    return acknowledged;
  }
  // Where the controller's cursors stand, as each node's Welcome says.
  std::vector<std::int64_t> Committed() const {
    std::vector<std::int64_t> committed;
    for (const auto& node : nodes_) {
      std::int64_t seq = 0;
      for (const v1::EventCursor& cursor : node->welcome().cursors()) {
        if (cursor.epoch() == kEpoch) seq = cursor.seq();
      }
      committed.push_back(seq);
    }
    return committed;
  }
  FakeNode& node(size_t i) { return *nodes_[i]; }
  const std::map<grpc::StatusCode, int>& statuses() const { return statuses_; }

 private:
  Fleet* const fleet_;
  std::vector<TlsPem> tls_;
  std::vector<std::unique_ptr<FakeNode>> nodes_;
  std::map<grpc::StatusCode, int> statuses_;
};

// Nothing by half: whatever was acknowledged is committed, in whole batches, and each event once.
void ExpectWhole(Fleet* fleet, const std::vector<std::int64_t>& acknowledged,
                 const std::vector<std::int64_t>& committed) {
  std::int64_t all = 0;
  for (size_t i = 0; i < committed.size(); ++i) {
    EXPECT_LE(acknowledged[i], committed[i]) << "node " << i;
    EXPECT_EQ(committed[i] % kBatch, 0) << "node " << i;
    all += committed[i];
  }
  std::map<std::pair<std::string, std::int64_t>, int> stored;
  for (const v1::Event& event : fleet->Events("kind=hung")) {
    stored[{event.id().origin(), event.id().seq()}]++;
  }
  EXPECT_EQ(static_cast<std::int64_t>(stored.size()), all);
  for (const auto& [id, count] : stored) {
    ASSERT_EQ(count, 1) << id.first << " " << id.second;
  }
}

TEST(Drain, TwoHundredSessionsSomeStoppedAndOpenCallsEndInTimeAndWhole) {
  Fleet fleet({"n1", "n2"});
  fleet.StartController(/*descriptors=*/4096);
  for (const char* id : {"n1", "n2"}) fleet.StartNode(id);
  fleet.AwaitConnected(2, 30s);
  Crowd crowd(&fleet, kSessions);
  crowd.Connect();

  // Two real uplinks that are stopped: their sockets live and take nothing.
  const pid_t stopped[] = {fleet.node("n1").UplinkPid(), fleet.node("n2").UplinkPid()};
  for (const pid_t pid : stopped) ASSERT_EQ(kill(pid, SIGSTOP), 0);

  // An order that nobody answers, and lists that wait for what nobody tells.
  const auto channel = MakeChannel(fleet.address(), "localhost", TlsOf(fleet.OperatorTls()));
  const auto caller = v1::FleetService::NewStub(channel);
  ASSERT_TRUE(crowd.node(0).SendSnapshot({controller::MakeSlot("encoder", 7)}));
  v1::KillSlotsRequest kill_request;
  kill_request.set_request_id("drain");
  kill_request.set_reason("drain");
  v1::KillTarget* const target = kill_request.add_targets();
  target->set_node("crowd-0");
  target->set_slot("encoder");
  *target->mutable_incarnation() = controller::MakeSlot("encoder", 7).incarnation();
  grpc::ClientContext kill_context;
  const auto kill_stream = caller->KillSlots(&kill_context, kill_request);
  v1::KillSlotsResponse progress;
  ASSERT_TRUE(kill_stream->Read(&progress)) << "the order is under way";
  std::atomic<int> lists_ended{0};
  std::vector<std::thread> lists;
  for (int i = 0; i < 4; ++i) {
    lists.emplace_back([&] {
      v1::ListSlotsRequest request;
      request.set_with_usage(true);
      v1::ListSlotsResponse response;
      grpc::ClientContext context;
      (void)caller->ListSlots(&context, request, &response);
      ++lists_ended;
    });
  }

  crowd.Send(1);
  const auto began = std::chrono::steady_clock::now();
  fleet.controller().Signal(SIGTERM);
  crowd.Send(1 + kBatch);
  while (kill_stream->Read(&progress)) {
  }
  EXPECT_EQ(kill_stream->Finish().error_code(), grpc::StatusCode::UNAVAILABLE);
  const std::vector<std::int64_t> acknowledged = crowd.AcknowledgedAtTheEnd();
  const auto exit = fleet.controller().WaitExit(kMostDrain);
  std::printf("the drain took %.1f s\n",
              std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count());
  for (std::thread& list : lists) list.join();
  EXPECT_EQ(lists_ended.load(), 4);
  for (const pid_t pid : stopped) (void)kill(pid, SIGCONT);
  ASSERT_TRUE(exit.has_value()) << fleet.ControllerLog();
  EXPECT_TRUE(WIFEXITED(*exit) && WEXITSTATUS(*exit) == 0) << fleet.ControllerLog();
  // Nobody was left to find out by himself.
  EXPECT_EQ(crowd.statuses().at(grpc::StatusCode::UNAVAILABLE), kSessions);

  fleet.StartController(/*descriptors=*/4096);
  crowd.Connect();
  ExpectWhole(&fleet, acknowledged, crowd.Committed());
}

// A thread of the controller sleeps where no signal reaches: in its write to the frozen disk.
bool IsHeldByItsDisk(pid_t pid) {
  std::error_code gone;
  for (const auto& task :
       std::filesystem::directory_iterator("/proc/" + std::to_string(pid) + "/task", gone)) {
    const std::string stat = ReadFile(task.path().string() + "/stat");
    const size_t name = stat.rfind(')');
    if (name != std::string::npos && name + 2 < stat.size() && stat[name + 2] == 'D') return true;
  }
  return false;
}

TEST(Drain, ADiskThatIsSlowIsWaitedForAndOneThatGivesNoAnswerIsNot) {
  Fleet fleet({"n1"});
  FrozenDisk disk(fleet.folder());
  if (!disk.usable()) GTEST_SKIP() << disk.why();
  const std::string state = "state_dir: " + disk.path() + "/controller\n";
  fleet.StartController(/*descriptors=*/4096, state);
  Crowd crowd(&fleet, 10);
  crowd.Connect();
  disk.Freeze();
  crowd.Send(1);
  ASSERT_TRUE(Eventually(20s, [&] { return IsHeldByItsDisk(fleet.controller().pid()); }));
  fleet.controller().Signal(SIGTERM);
  EXPECT_FALSE(fleet.controller().WaitExit(3s).has_value()) << "it waits for its disk";
  disk.Thaw();
  const std::vector<std::int64_t> acknowledged = crowd.AcknowledgedAtTheEnd();
  auto exit = fleet.controller().WaitExit(kMostDrain);
  ASSERT_TRUE(exit.has_value()) << fleet.ControllerLog();
  EXPECT_TRUE(WIFEXITED(*exit) && WEXITSTATUS(*exit) == 0) << fleet.ControllerLog();

  fleet.StartController(/*descriptors=*/4096, state);
  crowd.Connect();
  ExpectWhole(&fleet, acknowledged, crowd.Committed());

  disk.Freeze();
  crowd.Send(1 + kBatch);
  ASSERT_TRUE(Eventually(20s, [&] { return IsHeldByItsDisk(fleet.controller().pid()); }));
  fleet.controller().Signal(SIGTERM);
  // A process with a thread in a frozen write cannot end before the thaw, whoever kills it.
  EXPECT_TRUE(Eventually(kMostDrain, [&] {
    return fleet.ControllerLog().find("the drain took over 15 s") != std::string::npos;
  }));
  disk.Thaw();
  exit = fleet.controller().WaitExit(kMostDrain);
  ASSERT_TRUE(exit.has_value());
  EXPECT_TRUE(WIFEXITED(*exit) && WEXITSTATUS(*exit) == 1) << fleet.ControllerLog();
}

}  // namespace
}  // namespace procctl::e2e
