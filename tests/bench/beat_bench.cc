// What a beat costs, beside what sd_notify costs in the same run.
//
// Usage: beat_bench [--check] [google-benchmark's own flags]
// --check ends with status 1 if a beat costs more than 3 ns or less than a thousandth of a
// notification. Judged is the best of several repetitions, in CPU time of the calling thread:
// neighbours on a busy machine and the waiting for the receiver are then nobody's fault.
#include <benchmark/benchmark.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "procctl/heartbeat.h"
#include "tests/node/heartbeat/fake_guardian.h"

namespace {

constexpr double kMostNsPerBeat = 3.0;
constexpr double kLeastRatio = 1000.0;
constexpr char kMessage[] = "WATCHDOG=1";

void Fail(const char* what) {
  std::perror(what);
  std::exit(1);
}

// The service manager's end: a datagram socket that a thread of its own drains.
class NotifyReceiver {
 public:
  NotifyReceiver() {
    if (mkdtemp(directory_) == nullptr) Fail("mkdtemp");
    address_.sun_family = AF_UNIX;
    std::snprintf(address_.sun_path, sizeof(address_.sun_path), "%s/notify", directory_);
    fd_ = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (bind(fd_, address(), sizeof(address_)) != 0) Fail("bind");
    drain_ = std::thread([this] {
      char message[4096];
      while (recv(fd_, message, sizeof(message), 0) > 0) {
      }
    });
  }
  ~NotifyReceiver() {
    shutdown(fd_, SHUT_RDWR);
    drain_.join();
    close(fd_);
    std::filesystem::remove_all(directory_);
  }
  NotifyReceiver(const NotifyReceiver&) = delete;
  NotifyReceiver& operator=(const NotifyReceiver&) = delete;

  const sockaddr* address() const { return reinterpret_cast<const sockaddr*>(&address_); }

 private:
  char directory_[32] = "/tmp/procctl-bench-XXXXXX";
  sockaddr_un address_ = {};
  int fd_ = -1;
  std::thread drain_;
};

void Beat(benchmark::State& state) {
  procctl::heartbeat::FakeGuardian guardian;
  procctl::Heart heart("beat_bench", std::chrono::seconds(60));
  if (!heart.guarded()) {
    state.SkipWithError("the heart is not guarded");
    return;
  }
  for (auto _ : state) {
    heart.Beat();
    benchmark::ClobberMemory();
  }
  if (procctl::heartbeat::BeatsOf(guardian.page(1)) !=
      static_cast<uint64_t>(state.iterations()) + 1) {
    state.SkipWithError("the beats are not on the guardian's page");
  }
}

// What a loop pays for finding another guardian by itself.
void BeatAndTend(benchmark::State& state) {
  const procctl::heartbeat::FakeGuardian guardian;
  procctl::Heart heart("bench", std::chrono::minutes(1));
  for (auto _ : state) {
    heart.Beat();
    if (heart.Tend() != 1) state.SkipWithError("the heart is not guarded");
  }
}

// As libsystemd does it: a socket for each call.
void SdNotify(benchmark::State& state) {
  const NotifyReceiver receiver;
  for (auto _ : state) {
    const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (sendto(fd, kMessage, sizeof(kMessage) - 1, MSG_NOSIGNAL, receiver.address(),
               sizeof(sockaddr_un)) < 0) {
      state.SkipWithError("sendto");
    }
    close(fd);
  }
}

// The best a program could make of that protocol: one socket, connected once.
void NotifyConnected(benchmark::State& state) {
  const NotifyReceiver receiver;
  const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (connect(fd, receiver.address(), sizeof(sockaddr_un)) != 0) state.SkipWithError("connect");
  for (auto _ : state) {
    if (send(fd, kMessage, sizeof(kMessage) - 1, MSG_NOSIGNAL) < 0) state.SkipWithError("send");
  }
  close(fd);
}

constexpr int kRepetitions = 5;
BENCHMARK(Beat)->Repetitions(kRepetitions);
BENCHMARK(BeatAndTend)->Repetitions(kRepetitions);
BENCHMARK(SdNotify)->Repetitions(kRepetitions);
BENCHMARK(NotifyConnected)->Repetitions(kRepetitions);

// Prints as usual and keeps the best figure of each benchmark.
class BestOf : public benchmark::ConsoleReporter {
 public:
  BestOf() : ConsoleReporter(OO_Tabular) {}

  void ReportRuns(const std::vector<Run>& runs) override {
    for (const Run& run : runs) {
      if (run.error_occurred) failed_ = true;
      if (run.run_type != Run::RT_Iteration) continue;
      const double ns = run.GetAdjustedCPUTime();
      auto [best, is_new] = best_ns_.try_emplace(run.run_name.function_name, ns);
      if (!is_new) best->second = std::min(best->second, ns);
    }
    ConsoleReporter::ReportRuns(runs);
  }

  bool failed() const { return failed_; }
  double BestNs(const char* name) const {
    const auto found = best_ns_.find(name);
    return found == best_ns_.end() ? 0 : found->second;
  }

 private:
  bool failed_ = false;
  std::map<std::string, double> best_ns_;
};

bool Judge(const BestOf& best) {
  const double beat = best.BestNs("Beat");
  const double notify = best.BestNs("SdNotify");
  const double connected = best.BestNs("NotifyConnected");
  if (best.failed() || beat <= 0 || notify <= 0 || connected <= 0) {
    std::puts("FAILED: a benchmark did not run");
    return false;
  }
  const bool cheap = beat <= kMostNsPerBeat;
  const bool cheaper = notify / beat >= kLeastRatio;
  std::printf("\nbeat              %10.2f ns   (at most %.0f ns: %s)\n", beat, kMostNsPerBeat,
              cheap ? "yes" : "NO");
  std::printf("sd_notify         %10.0f ns   %7.0f beats (at least %.0f: %s)\n", notify,
              notify / beat, kLeastRatio, cheaper ? "yes" : "NO");
  std::printf("notify, connected %10.0f ns   %7.0f beats\n", connected, connected / beat);
  return cheap && cheaper;
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<char*> arguments;
  bool check = false;
  for (int i = 0; i < argc; ++i) {
    if (std::string_view(argv[i]) == "--check") {
      check = true;
    } else {
      arguments.push_back(argv[i]);
    }
  }
  char quick[] = "--benchmark_min_time=0.1";
  if (check) arguments.push_back(quick);
  int count = static_cast<int>(arguments.size());
  benchmark::Initialize(&count, arguments.data());
  if (benchmark::ReportUnrecognizedArguments(count, arguments.data())) return 2;
  BestOf best;
  benchmark::RunSpecifiedBenchmarks(&best);
  const bool holds = Judge(best);
  return check && !holds ? 1 : 0;
}
