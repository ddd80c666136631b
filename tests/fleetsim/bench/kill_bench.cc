#include "tests/fleetsim/bench/kill_bench.h"

#include <fstream>
#include <sstream>
#include <thread>
#include <utility>

#include "procctl/v1/fleet_service.grpc.pb.h"
#include "proto/support/channel.h"
#include "spdlog/fmt/fmt.h"
#include "tests/fleetsim/clock.h"

namespace procctl::bench {
namespace {

// So many of one list's targets are used before the next list: each is killed once.
constexpr std::size_t kTargetsOfANode = 20;

bool Ended(const v1::KillSlotsResponse& response) {
  return response.has_progress() && response.progress().done() &&
         response.progress().verdict() == v1::VERDICT_EXITED_ON_TERM;
}

}  // namespace

KillBench::KillBench(const std::string& address, const TlsPem& tls, std::vector<std::string> nodes,
                     std::string journal)
    : nodes_(std::move(nodes)),
      journal_(std::move(journal)),
      channel_(MakeChannel(address, "127.0.0.1", tls)) {}

bool KillBench::Refill() {
  const auto stub = v1::FleetService::NewStub(channel_);
  for (std::size_t i = 0; i < nodes_.size(); ++i) {
    const std::string& node = nodes_[next_node_++ % nodes_.size()];
    v1::ListSlotsRequest request;
    request.set_filter("node=" + node);
    v1::ListSlotsResponse response;
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(10));
    if (!stub->ListSlots(&context, request, &response).ok()) continue;
    for (const v1::FleetSlot& row : response.slots()) {
      if (row.node_state() != v1::NODE_STATE_CONNECTED) continue;
      if (targets_.size() >= kTargetsOfANode) break;
      v1::KillTarget& target = targets_.emplace_back();
      target.set_node(row.node());
      target.set_slot(row.slot().label());
      *target.mutable_incarnation() = row.slot().incarnation();
    }
    if (!targets_.empty()) return true;
  }
  return false;
}

KillTimes KillBench::Measure(const std::string& name, int count, std::chrono::nanoseconds pause,
                             std::chrono::steady_clock::time_point until) {
  const auto stub = v1::FleetService::NewStub(channel_);
  KillTimes times;
  targets_.clear();
  std::unordered_map<std::string, std::int64_t> called;
  for (int i = 0; i < count && std::chrono::steady_clock::now() < until;) {
    if (targets_.empty() && !Refill()) {
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
      continue;
    }
    std::this_thread::sleep_for(pause);
    v1::KillSlotsRequest request;
    request.set_request_id(fmt::format("{}-{}", name, i++));
    *request.add_targets() = std::move(targets_.back());
    targets_.pop_back();
    request.set_reason("measured");
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(60));
    const std::int64_t start = fleetsim::MonoNs();
    const auto stream = stub->KillSlots(&context, request);
    v1::KillSlotsResponse response;
    bool killed = false;
    while (stream->Read(&response)) {
      if (Ended(response)) {
        times.whole.Add(std::chrono::nanoseconds(fleetsim::MonoNs() - start));
        called[request.request_id() + "/0"] = start;
        killed = true;
      } else if (response.has_progress() && response.progress().done()) {
        times.failure = fmt::format("{} {}", v1::Verdict_Name(response.progress().verdict()),
                                    response.progress().message());
      }
    }
    const grpc::Status status = stream->Finish();
    if (killed && status.ok()) continue;
    ++times.failed;
    if (!status.ok()) times.failure = status.error_message();
    // What the list said of that node may be old.
    targets_.clear();
  }
  const auto arrivals = Arrivals();
  for (const auto& [order, start] : called) {
    const auto it = arrivals.find(order);
    if (it != arrivals.end()) times.to_node.Add(std::chrono::nanoseconds(it->second - start));
  }
  return times;
}

std::unordered_map<std::string, std::int64_t> KillBench::Arrivals() const {
  std::unordered_map<std::string, std::int64_t> arrivals;
  std::ifstream file(journal_);
  std::string line;
  while (std::getline(file, line)) {
    if (!line.starts_with("order ")) continue;
    std::istringstream words(line);
    std::string verb;
    std::string node;
    std::string order;
    std::int64_t ns = 0;
    words >> verb >> node >> order >> ns;
    arrivals.emplace(order, ns);  // the first time counts
  }
  return arrivals;
}

}  // namespace procctl::bench
