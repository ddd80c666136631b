// A well-behaved program with several threads, each guarded by a heart of its own. On SIGUSR1 its
// first thread hangs for good, as a thread does that waits for a lock nobody will release. Ends
// with status 0 on SIGTERM.
#include <pthread.h>
#include <signal.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "procctl/heartbeat.h"
#include "tests/programs/arguments.h"

namespace {

using std::chrono::milliseconds;

std::atomic<bool> first_thread_hangs{false};

void Work(std::stop_token stop, procctl::Heart* heart, milliseconds interval, bool is_first) {
  std::mutex mutex;
  std::condition_variable_any wake;
  std::unique_lock lock(mutex);
  heart->Note("working");
  while (!stop.stop_requested()) {
    if (is_first && first_thread_hangs) {
      heart->Note("waiting for a lock that nobody will release");
      wake.wait(lock, stop, [] { return false; });
      return;
    }
    heart->Progress();
    wake.wait_for(lock, stop, interval, [] { return false; });
  }
}

}  // namespace

int main(int argc, char** argv) {
  using procctl::programs::NumberArgument;
  const std::string name = procctl::programs::TextArgument(argc, argv, "--name");
  const milliseconds timeout(NumberArgument(argc, argv, "--timeout-ms", 1, 5000));
  const int threads = NumberArgument(argc, argv, "--threads", 1, 1);
  const int usual_interval = std::clamp(static_cast<int>(timeout.count()) / 10, 1, 200);
  const milliseconds interval(NumberArgument(argc, argv, "--interval-ms", 1, usual_interval));

  // Blocked before the first thread starts, so that every thread inherits it and main takes them.
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGUSR1);
  sigaddset(&signals, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);

  int error = 0;
  std::vector<std::unique_ptr<procctl::Heart>> hearts;
  for (int i = 1; i <= threads; ++i) {
    hearts.push_back(std::make_unique<procctl::Heart>());
    const std::string heart_name = i == 1 ? name : name + "-" + std::to_string(i);
    error = hearts.back()->Open(heart_name.c_str(), timeout);
    if (error != 0) break;
  }
  std::vector<std::jthread> workers;
  for (auto& heart : hearts) {
    workers.emplace_back(Work, heart.get(), interval, heart == hearts.front());
  }
  procctl::programs::PrintReady(error);

  for (int signal = 0; sigwait(&signals, &signal) == 0 && signal != SIGTERM;) {
    first_thread_hangs = true;
  }
  return 0;  // The threads are stopped and joined first, then their hearts closed.
}
