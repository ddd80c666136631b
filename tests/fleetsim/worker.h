// One thread that lives a part of the fleet: a completion queue, the nodes' timers, and the pace of
// events and churn.
#pragma once

#include <grpcpp/completion_queue.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <queue>
#include <thread>
#include <utility>
#include <vector>

#include "tests/fleetsim/node.h"

namespace procctl::fleetsim {

// Spread over the worker's nodes, one after the other.
struct Pace {
  double events_per_second = 0;
  // Events of one node come so many at a time.
  int burst = 1;
  double churn_per_second = 0;
};

class Worker {
 public:
  // `connecting`: connections under way at a time.
  Worker(const RunFacts* run, int connecting);
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  // Before Start.
  void Add(NodeStart start);
  std::size_t size() const { return nodes_.size(); }
  // Also before Start: its share of the fleet's pace.
  void set_pace(const Pace& pace) { pace_ = pace; }

  void Start();
  // All nodes say goodbye; what does not end within ten seconds is cut. Returns when nothing is
  // left. Any thread, once.
  void Stop();

 private:
  void Loop();
  void Tick(std::int64_t now);
  // True when all nodes are over.
  bool WindUp(std::int64_t now);
  void RunTimers(std::int64_t now);
  void Arm(Node* node);
  // Those whose turn at the gate has come.
  void AdmitWaiting(std::int64_t now);
  // Whole units that `rate` makes due since the last tick; the rest stays in `credit`.
  static int Draw(double rate, double seconds, double* credit);

  const RunFacts* const run_;
  Pace pace_;
  grpc::CompletionQueue queue_;
  NodeGate gate_;
  std::vector<std::unique_ptr<Node>> nodes_;
  std::thread thread_;
  std::atomic<bool> stop_{false};

  // The thread's own.
  using Timer = std::pair<std::int64_t, Node*>;
  std::priority_queue<Timer, std::vector<Timer>, std::greater<>> timers_;
  std::int64_t last_tick_ = 0;
  double event_credit_ = 0;
  double churn_credit_ = 0;
  std::size_t next_event_ = 0;
  std::size_t next_churn_ = 0;
  std::int64_t winding_up_ = 0;  // since when; 0: not yet
  bool cut_ = false;
};

}  // namespace procctl::fleetsim
