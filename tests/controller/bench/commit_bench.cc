// Events per second that the local engine commits: COUNT events of NODES nodes in batches of BATCH,
// each node with one batch on its way at a time, as sessions under load have. Usage:
// controller_commit_bench [COUNT [NODES [BATCH]]]
#include <stdlib.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <future>
#include <string>
#include <vector>

#include "controller/store/local_engine.h"

namespace procctl::controller {
namespace {

v1::Event MakeVerdict(const std::string& node, std::int64_t seq) {
  v1::Event event;
  event.mutable_id()->set_origin(node);
  event.mutable_id()->set_epoch(1);
  event.mutable_id()->set_seq(seq);
  event.set_kind(v1::EVENT_KIND_VERDICT);
  event.set_node(node);
  event.set_boot_id("4f6a2f9e-1a0b-4a43-9f5e-0c9d6a1b2c3d");
  event.set_slot("encoder.2");
  event.set_name("encoder");
  event.mutable_incarnation()->set_boot_id(event.boot_id());
  event.mutable_incarnation()->set_pid(4242);
  event.mutable_incarnation()->set_generation(seq);
  event.set_verdict(v1::VERDICT_KILLED);
  event.set_message("encoder.2 pid 4242: killed 5.02s after SIGTERM, silent for 7.4s, limit 5s");
  return event;
}

class Bench {
 public:
  Bench(Engine* engine, std::int64_t count, int nodes, int batch)
      : engine_(engine), batch_(batch), per_node_(count / nodes), open_(nodes) {}

  void Run(int nodes) {
    for (int i = 0; i < nodes; ++i) {
      const std::string node = "node-" + std::to_string(i);
      engine_->coordinator().Claim(
          node, 0,
          [this, node](const absl::StatusOr<std::int64_t>& epoch) { Next(node, *epoch, 1); });
    }
    done_.get_future().wait();
  }

 private:
  void Next(const std::string& node, std::int64_t session, std::int64_t first) {
    if (first > per_node_) {
      if (--open_ == 0) done_.set_value();
      return;
    }
    NodeBatch events{node, session, {}};
    const std::int64_t last = std::min(per_node_, first + batch_ - 1);
    for (std::int64_t seq = first; seq <= last; ++seq)
      events.events.push_back(MakeVerdict(node, seq));
    engine_->commit_log().Append(std::move(events),
                                 [=, this](const absl::StatusOr<Committed>& committed) {
                                   if (!committed.ok()) abort();
                                   Next(node, session, last + 1);
                                 });
  }

  Engine* const engine_;
  const int batch_;
  const std::int64_t per_node_;
  std::atomic<int> open_;
  std::promise<void> done_;
};

int Main(int argc, char** argv) {
  const std::int64_t count = argc > 1 ? atoll(argv[1]) : 200'000;
  const int nodes = argc > 2 ? atoi(argv[2]) : 50;
  const int batch = argc > 3 ? atoi(argv[3]) : 20;
  std::string dir = (std::filesystem::temp_directory_path() / "procctl-bench-XXXXXX").string();
  if (mkdtemp(dir.data()) == nullptr) return 1;
  auto engine = OpenLocalEngine(dir + "/state", "bench");
  if (!engine.ok()) {
    std::fprintf(stderr, "%s\n", engine.status().ToString().c_str());
    return 1;
  }
  Bench bench(engine->get(), count, nodes, batch);
  const auto start = std::chrono::steady_clock::now();
  bench.Run(nodes);
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  std::printf("%lld events of %d nodes in batches of %d committed in %.2f s: %.0f per second\n",
              static_cast<long long>(count), nodes, batch, took.count(),
              static_cast<double>(count) / took.count());
  engine->reset();
  std::filesystem::remove_all(dir);
  return 0;
}

}  // namespace
}  // namespace procctl::controller

int main(int argc, char** argv) { return procctl::controller::Main(argc, argv); }
