// What watchers that never read cost: a server of its own process with RATE events a second, one
// watcher that reads, and then STOPPED more that do not, each with a connection. Prints how late
// the one that reads gets each event (commit included), and what the server holds. Usage:
// controller_watch_bench [STOPPED [RATE [SECONDS]]]
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "controller/rpc/server.h"
#include "procctl/v1/fleet_service.grpc.pb.h"
#include "proto/support/channel.h"
#include "proto/support/time_convert.h"
#include "spdlog/spdlog.h"
#include "tests/controller/rpc/fake_node.h"
#include "tests/proto/test_fleet.h"

namespace procctl::controller {
namespace {

using std::chrono::steady_clock;
using std::chrono::system_clock;

// The server, in a child that ends with this program.
class ServerProcess {
 public:
  // Before anything of gRPC is used here.
  explicit ServerProcess(const ServerOptions& options) {
    int ends[2];
    if (pipe(ends) != 0) abort();
    child_ = fork();
    if (child_ == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      auto server = Server::Start(options);
      if (!server.ok()) abort();
      const std::string address = (*server)->address();
      if (write(ends[1], address.data(), address.size()) < 0) abort();
      for (;;) pause();
    }
    char address[100];
    const ssize_t size = read(ends[0], address, sizeof address);
    if (size <= 0) abort();
    address_.assign(address, static_cast<size_t>(size));
  }
  ~ServerProcess() {
    kill(child_, SIGKILL);
    waitpid(child_, nullptr, 0);
  }

  const std::string& address() const { return address_; }
  double ResidentMiB() const {
    std::ifstream statm("/proc/" + std::to_string(child_) + "/statm");
    long pages = 0;
    statm >> pages >> pages;
    return static_cast<double>(pages) * static_cast<double>(sysconf(_SC_PAGESIZE)) / (1 << 20);
  }

 private:
  pid_t child_ = -1;
  std::string address_;
};

class Watcher {
 public:
  explicit Watcher(const std::shared_ptr<grpc::Channel>& channel)
      : stub_(v1::FleetService::NewStub(channel)) {
    v1::WatchRequest request;
    request.set_events("kind=hung");
    stream_ = stub_->Watch(&context_, request);
  }
  ~Watcher() {
    context_.TryCancel();
    v1::WatchResponse ignored;
    while (stream_->Read(&ignored)) {
    }
    (void)stream_->Finish();
  }
  // Waits until its server knows it.
  void AwaitBegin() { stream_->WaitForInitialMetadata(); }
  bool Read(v1::WatchResponse* message) { return stream_->Read(message); }

 private:
  grpc::ClientContext context_;
  std::unique_ptr<v1::FleetService::Stub> stub_;
  std::unique_ptr<grpc::ClientReader<v1::WatchResponse>> stream_;
};

class Bench {
 public:
  Bench(ServerProcess* server, testing::TestFleet* fleet, int rate, int seconds)
      : server_(server), fleet_(fleet), rate_(rate), seconds_(seconds) {}

  std::unique_ptr<Watcher> Watch() {
    return std::make_unique<Watcher>(Channel(Role::kViewer, "alice"));
  }

  // Commits for so long as it is told, and prints how late each event came.
  void Run(const std::string& what) {
    const auto watcher = Watch();
    v1::WatchResponse message;
    if (!watcher->Read(&message)) abort();  // the first bookmark
    std::vector<double> late;
    const auto count = static_cast<size_t>(rate_) * static_cast<size_t>(seconds_);
    bool resync = false;
    std::thread committer([&] { Commit(); });
    while (late.size() < count && watcher->Read(&message)) {
      resync = resync || message.has_resync();
      const auto now = system_clock::now();
      for (const v1::StoredEvent& stored : message.events().events()) {
        late.push_back(
            std::chrono::duration<double, std::milli>(now - FromProto(stored.event().at()))
                .count());
      }
    }
    committer.join();
    std::sort(late.begin(), late.end());
    const auto at = [&](double share) {
      return late[static_cast<size_t>(share * static_cast<double>(late.size() - 1))];
    };
    std::printf(
        "%s: %zu of %zu events, late by p50 %.0f ms, p99 %.0f ms, most %.0f ms%s; server "
        "holds %.1f MiB\n",
        what.c_str(), late.size(), count, at(0.5), at(0.99), at(1), resync ? ", with RESYNC" : "",
        server_->ResidentMiB());
  }

 private:
  std::shared_ptr<grpc::Channel> Channel(Role role, const std::string& id) {
    return MakeChannel(server_->address(), "localhost", testing::Read(fleet_->Issue(role, id)));
  }

  void Commit() {
    const std::string id = "web-" + std::to_string(++nodes_);
    FakeNode node(Channel(Role::kNode, id), id);
    if (!node.Connect()) abort();
    constexpr int kBatchesASecond = 20;
    std::int64_t seq = 0;
    auto next = steady_clock::now();
    for (int batch = 0; batch < seconds_ * kBatchesASecond; ++batch) {
      std::vector<v1::Event> events;
      for (int i = 0; i < rate_ / kBatchesASecond; ++i) {
        v1::Event event = node.MakeEvent(1, ++seq);
        *event.mutable_at() = ToProto(system_clock::now());
        event.set_slot("encoder.2");
        event.set_message(std::string(200, 'm'));
        events.push_back(std::move(event));
      }
      if (!node.SendEvents(events) || !node.AwaitAck(1, seq)) abort();
      next += std::chrono::milliseconds(1000 / kBatchesASecond);
      std::this_thread::sleep_until(next);
    }
  }

  ServerProcess* server_;
  testing::TestFleet* fleet_;
  int rate_;
  int seconds_;
  int nodes_ = 0;
};

int Main(int argc, char** argv) {
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  spdlog::set_level(spdlog::level::off);
  const int stopped = argc > 1 ? atoi(argv[1]) : 200;
  const int rate = argc > 2 ? atoi(argv[2]) : 2000;
  const int seconds = argc > 3 ? atoi(argv[3]) : 10;  // below the patience of a FakeNode
  testing::TestFleet fleet;
  testing::TemporaryFolder folder;
  ServerOptions options;
  options.listen = "127.0.0.1:0";
  options.state_dir = folder.path() + "/state";
  options.tls = testing::Read(fleet.Controller());
  options.identity = ReadCertificate(options.tls.cert)->identity;
  ServerProcess server(options);
  Bench bench(&server, &fleet, rate, seconds);
  bench.Run("alone");
  bench.Run("alone again");
  const double before = server.ResidentMiB();
  std::vector<std::unique_ptr<Watcher>> watchers;
  for (int i = 0; i < stopped; ++i) {
    watchers.push_back(bench.Watch());
    watchers.back()->AwaitBegin();
  }
  const double connected = server.ResidentMiB();
  bench.Run("beside " + std::to_string(stopped) + " that never read");
  std::printf("%d stopped watchers: %.1f MiB, of it %.1f MiB for their connections\n", stopped,
              server.ResidentMiB() - before, connected - before);
  return 0;
}

}  // namespace
}  // namespace procctl::controller

int main(int argc, char** argv) { return procctl::controller::Main(argc, argv); }
