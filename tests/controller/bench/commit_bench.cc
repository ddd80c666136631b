// Events per second that the local engine commits: COUNT events of NODES nodes in batches of BATCH,
// each node with one batch on its way at a time, as sessions under load have; with what they cost
// this process (the making of the events included) and how long a batch waited at most. With KEEP,
// events older than so many milliseconds are dropped at the same time. Usage:
// controller_commit_bench [COUNT [NODES [BATCH [KEEP]]]]
#include <stdlib.h>
#include <sys/resource.h>

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

  std::chrono::duration<double, std::milli> slowest() const { return slowest_; }

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
    engine_->commit_log().Append(
        std::move(events), [=, this, start = std::chrono::steady_clock::now()](
                               const absl::StatusOr<Committed>& committed) {
          if (!committed.ok()) abort();
          slowest_ = std::max(slowest_, std::chrono::steady_clock::now() - start);
          Next(node, session, last + 1);
        });
  }

  Engine* const engine_;
  std::chrono::steady_clock::duration slowest_{0};  // the writer's thread only
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
  HistoryLimits limits;
  if (argc > 4) limits.keep = std::chrono::milliseconds(atoll(argv[4]));
  auto engine = OpenLocalEngine(dir + "/state", "bench", limits);
  if (!engine.ok()) {
    std::fprintf(stderr, "%s\n", engine.status().ToString().c_str());
    return 1;
  }
  Bench bench(engine->get(), count, nodes, batch);
  const auto start = std::chrono::steady_clock::now();
  bench.Run(nodes);
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  rusage used = {};
  (void)getrusage(RUSAGE_SELF, &used);
  const auto micros = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) * 1e6 + static_cast<double>(time.tv_usec);
  };
  std::printf(
      "%lld events of %d nodes in batches of %d committed in %.2f s: %.0f per second, %.1f us of "
      "CPU each, slowest batch %.0f ms\n",
      static_cast<long long>(count), nodes, batch, took.count(),
      static_cast<double>(count) / took.count(),
      (micros(used.ru_utime) + micros(used.ru_stime)) / static_cast<double>(count),
      bench.slowest().count());
  engine->reset();
  std::filesystem::remove_all(dir);
  return 0;
}

}  // namespace
}  // namespace procctl::controller

int main(int argc, char** argv) { return procctl::controller::Main(argc, argv); }
