#include "tests/fleetsim/worker.h"

#include <grpc/support/time.h>

#include <algorithm>

#include "tests/fleetsim/clock.h"

namespace procctl::fleetsim {
namespace {

constexpr std::int64_t kTick = 10'000'000;
constexpr std::int64_t kWindUp = 10'000'000'000;
// A worker that was late makes up for no more than this: a burst would be no steady load.
constexpr double kMostCatchUp = 1.0;

gpr_timespec DeadlineIn(std::int64_t ns) {
  return gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC), gpr_time_from_nanos(ns, GPR_TIMESPAN));
}

}  // namespace

Worker::Worker(const RunFacts* run, int connecting) : run_(run), gate_(connecting) {}

Worker::~Worker() {
  if (thread_.joinable()) Stop();
}

void Worker::Add(NodeStart start) {
  nodes_.push_back(std::make_unique<Node>(run_, std::move(start), &queue_, &gate_));
}

void Worker::Start() {
  thread_ = std::thread([this] { Loop(); });
}

void Worker::Stop() {
  stop_ = true;
  thread_.join();
  queue_.Shutdown();
  void* tag = nullptr;
  bool ok = false;
  while (queue_.Next(&tag, &ok)) {
  }
}

void Worker::Arm(Node* node) {
  const std::int64_t due = node->Due();
  // An entry that comes too early only finds nothing due.
  if (due >= node->armed) return;
  node->armed = due;
  timers_.emplace(due, node);
}

void Worker::RunTimers(std::int64_t now) {
  while (!timers_.empty() && timers_.top().first <= now) {
    const auto [at, node] = timers_.top();
    timers_.pop();
    if (node->armed == at) node->armed = Node::kNever;
    node->OnTimer(now);
    Arm(node);
  }
}

void Worker::AdmitWaiting(std::int64_t now) {
  while (Node* const node = gate_.TakeAdmitted()) {
    node->Admit(now);
    Arm(node);
  }
}

void Worker::Loop() {
  last_tick_ = MonoNs();
  for (const auto& node : nodes_) Arm(node.get());
  for (;;) {
    const std::int64_t now = MonoNs();
    RunTimers(now);
    AdmitWaiting(now);
    if (now - last_tick_ >= kTick) {
      if (stop_ && WindUp(now)) return;
      Tick(now);
    }
    std::int64_t until = last_tick_ + kTick;
    if (!timers_.empty()) until = std::min(until, timers_.top().first);
    void* tag = nullptr;
    bool ok = false;
    const auto next =
        queue_.AsyncNext(&tag, &ok, DeadlineIn(std::max<std::int64_t>(until - now, 0)));
    if (next == grpc::CompletionQueue::GOT_EVENT) Arm(Node::OnTag(tag, ok, MonoNs()));
  }
}

bool Worker::WindUp(std::int64_t now) {
  if (winding_up_ == 0) {
    winding_up_ = now;
    for (const auto& node : nodes_) {
      node->Stop(now);
      Arm(node.get());
    }
  }
  if (!cut_ && now - winding_up_ > kWindUp) {
    cut_ = true;
    for (const auto& node : nodes_) node->Cut();
  }
  return std::all_of(nodes_.begin(), nodes_.end(), [](const auto& node) { return node->Over(); });
}

int Worker::Draw(double rate, double seconds, double* credit) {
  *credit = std::min(*credit + rate * seconds, std::max(rate * kMostCatchUp, 1.0));
  const int due = static_cast<int>(*credit);
  *credit -= due;
  return due;
}

void Worker::Tick(std::int64_t now) {
  const double seconds = static_cast<double>(now - last_tick_) / 1e9;
  last_tick_ = now;
  if (nodes_.empty() || stop_) return;
  const int burst = std::max(pace_.burst, 1);
  for (int n = Draw(pace_.events_per_second / burst, seconds, &event_credit_); n > 0; --n) {
    Node* const node = nodes_[next_event_++ % nodes_.size()].get();
    node->MakeEvents(burst, now);
    Arm(node);
  }
  for (int n = Draw(pace_.churn_per_second, seconds, &churn_credit_); n > 0; --n) {
    Node* const node = nodes_[next_churn_++ % nodes_.size()].get();
    node->Churn(now);
    Arm(node);
  }
}

}  // namespace procctl::fleetsim
