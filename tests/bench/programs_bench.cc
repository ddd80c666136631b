// How soon a program runs again after its end, and what 200 that only run cost their supervisor:
// procctl-node beside supervisord and s6, in one run on one machine.
//
//   programs_bench           prints the figures
//   programs_bench --check   and fails if procctl-node restarts later than claimed, or costs more
//                            than supervisord when idle
//   programs_bench restarts  one half only; idle: the other
//
// A peer that is not installed is left out, and that is said. Restart: from right before SIGKILL is
// sent to the main process, through a pidfd, to the first instruction of main() of its successor.
// Each supervisor is measured twice: with programs that have run for over a second when they end,
// and with one that ends soon after its start (s6 waits for a second before it starts again, by
// design). Idle: processor time over 20 s, and memory after them, of all processes of the
// supervisor; a page of memory that several of them map is counted once.
#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cinttypes>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <map>
#include <set>
#include <sstream>
#include <thread>
#include <vector>

#include "node/os/unique_fd.h"
#include "tests/bench/supervisors.h"
#include "tests/e2e/harness/wait.h"

namespace procctl::bench {
namespace {

using e2e::HarnessError;
using std::chrono_literals::operator""ms;
using std::chrono_literals::operator""s;

constexpr int kRestarts = 50;
constexpr int kSettled = 10;
constexpr auto kSettledAge = 1200ms;
constexpr int kIdlePrograms = 200;
constexpr auto kSettle = 5s;
constexpr auto kWindow = 20s;
constexpr double kMostMedianMs = 10;

struct Latency {
  double median_ms = 0;
  double worst_ms = 0;
};

struct Cost {
  int processes = 0;
  double cpu_seconds = 0;
  // What each would be charged alone, added up; and what they hold together, a page that several of
  // them map being one page. -1: only root may count that.
  int64_t resident_kb = 0;
  int64_t together_kb = 0;
};

int64_t NowNanoseconds() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<int64_t>(now.tv_sec) * 1'000'000'000 + now.tv_nsec;
}

// Its parent may reap it at any time from here on; it is alive now, and named by its pidfd after.
void KillByPidfd(int64_t pid) {
  const int fd = static_cast<int>(syscall(SYS_pidfd_open, static_cast<pid_t>(pid), 0));
  if (fd < 0) throw HarnessError("pidfd_open: " + std::string(strerror(errno)));
  const auto sent = syscall(SYS_pidfd_send_signal, fd, SIGKILL, nullptr, 0);
  close(fd);
  if (sent != 0) throw HarnessError("pidfd_send_signal: " + std::string(strerror(errno)));
}

// Kills them in turn, each when it is `age` old and a little more: at another phase of any period
// of the supervisor each time.
Latency MeasureRestarts(Kind kind, int programs, std::chrono::milliseconds age) {
  Supervisor supervisor(kind, programs);
  std::vector<Mark> running = supervisor.first();
  std::vector<double> took;
  for (int i = 0; i < kRestarts; ++i) {
    Mark& mark = running[static_cast<size_t>(i % programs)];
    const auto due = std::chrono::nanoseconds(mark.nanoseconds) + age + 1ms * (i * 37 % 100);
    std::this_thread::sleep_for(due - std::chrono::nanoseconds(NowNanoseconds()));
    const int64_t begin = NowNanoseconds();
    KillByPidfd(mark.pid);
    mark = supervisor.Await(20s);
    took.push_back(static_cast<double>(mark.nanoseconds - begin) / 1e6);
  }
  std::sort(took.begin(), took.end());
  return {took[took.size() / 2], took.back()};
}

// Of all its threads, in nanoseconds as the scheduler counts them: the ticks of stat are too coarse
// for processes that hardly run.
double CpuSeconds(pid_t pid) {
  double nanoseconds = 0;
  std::error_code gone;
  for (const auto& task :
       std::filesystem::directory_iterator("/proc/" + std::to_string(pid) + "/task", gone)) {
    double one = 0;
    std::istringstream(e2e::ReadFile(task.path().string() + "/schedstat")) >> one;
    nanoseconds += one;
  }
  return nanoseconds / 1e9;
}

int64_t Kilobytes(pid_t pid, const std::string& file, const std::string& key) {
  const std::string text = e2e::ReadFile("/proc/" + std::to_string(pid) + "/" + file);
  const size_t at = text.find("\n" + key + ":");
  return at == std::string::npos ? 0 : std::atoll(text.c_str() + at + key.size() + 2);
}

// Adds the numbers of the page frames that it maps at present. False if we may not see them.
bool AddFrames(pid_t pid, std::set<uint64_t>* frames) {
  constexpr uint64_t kPresent = uint64_t{1} << 63;
  constexpr uint64_t kFrame = (uint64_t{1} << 55) - 1;
  const std::string folder = "/proc/" + std::to_string(pid);
  const node::UniqueFd pagemap(open((folder + "/pagemap").c_str(), O_RDONLY | O_CLOEXEC));
  std::istringstream maps(e2e::ReadFile(folder + "/maps"));
  const auto page = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  std::vector<uint64_t> entries;
  bool seen = false;
  for (std::string line; std::getline(maps, line);) {
    uint64_t begin = 0;
    uint64_t end = 0;
    if (std::sscanf(line.c_str(), "%" SCNx64 "-%" SCNx64, &begin, &end) != 2) continue;
    entries.assign((end - begin) / page, 0);
    // The file takes whole entries only. What is above all user memory it does not know.
    const ssize_t got = pread(pagemap.get(), entries.data(), entries.size() * sizeof(uint64_t),
                              static_cast<off_t>(begin / page * sizeof(uint64_t)));
    entries.resize(got > 0 ? static_cast<size_t>(got) / sizeof(uint64_t) : 0);
    for (const uint64_t entry : entries) {
      if ((entry & kPresent) == 0 || (entry & kFrame) == 0) continue;
      frames->insert(entry & kFrame);
      seen = true;
    }
  }
  return seen;
}

int64_t FrameKilobytes(size_t frames) {
  return static_cast<int64_t>(frames) * sysconf(_SC_PAGESIZE) / 1024;
}

// By the names of its processes, and their sum under "".
std::map<std::string, Cost> MeasureIdle(Kind kind) {
  Supervisor supervisor(kind, kIdlePrograms);
  std::this_thread::sleep_for(kSettle);
  const std::vector<Part> parts = supervisor.Parts();
  std::vector<double> before;
  for (const Part& part : parts) before.push_back(CpuSeconds(part.pid));
  std::this_thread::sleep_for(kWindow);
  std::map<std::string, Cost> costs;
  std::map<std::string, std::set<uint64_t>> frames;
  for (size_t i = 0; i < parts.size(); ++i) {
    Cost one{.processes = 1,
             .cpu_seconds = CpuSeconds(parts[i].pid) - before[i],
             .resident_kb = Kilobytes(parts[i].pid, "status", "VmRSS")};
    if (one.resident_kb == 0)
      throw HarnessError(parts[i].name + " ended while its cost was measured");
    for (const std::string& name : {parts[i].name, std::string()}) {
      Cost& sum = costs[name];
      sum.processes += one.processes;
      sum.cpu_seconds += one.cpu_seconds;
      sum.resident_kb += one.resident_kb;
      if (sum.together_kb >= 0 && AddFrames(parts[i].pid, &frames[name])) {
        sum.together_kb = FrameKilobytes(frames[name].size());
      } else {
        sum.together_kb = -1;
      }
    }
  }
  return costs;
}

void Print(const std::string& name, const Cost& cost) {
  std::printf("%-24s %9d %10.3f s %9.1f MiB", name.c_str(), cost.processes, cost.cpu_seconds,
              static_cast<double>(cost.resident_kb) / 1024);
  if (cost.together_kb >= 0) {
    std::printf(" %9.1f MiB\n", static_cast<double>(cost.together_kb) / 1024);
  } else {
    std::printf("    not root\n");
  }
  std::fflush(stdout);
}

// Whether procctl-node is within its limits.
bool BenchRestarts(const std::vector<Kind>& kinds) {
  std::printf("restart after SIGKILL, of %d     ran over 1.2 s           ran 50 to 150 ms\n",
              kRestarts);
  bool good = true;
  for (const Kind kind : kinds) {
    const Latency settled = MeasureRestarts(kind, kSettled, kSettledAge);
    const Latency young = MeasureRestarts(kind, 1, 50ms);
    std::printf("%-14s median %8.2f worst %8.2f ms   median %8.2f worst %8.2f ms\n", NameOf(kind),
                settled.median_ms, settled.worst_ms, young.median_ms, young.worst_ms);
    std::fflush(stdout);
    if (kind == Kind::kProcctl)
      good = settled.median_ms <= kMostMedianMs && young.median_ms <= kMostMedianMs;
  }
  if (!good) std::fprintf(stderr, "over the limit: half of all within %.0f ms\n", kMostMedianMs);
  return good;
}

// Whether procctl-node costs less than supervisord; true where that is not installed.
bool BenchIdle(const std::vector<Kind>& kinds) {
  std::printf("%d idle programs, %lld s     processes  processor      resident      together\n",
              kIdlePrograms, static_cast<long long>(kWindow.count()));
  std::map<Kind, Cost> idle;
  for (const Kind kind : kinds) {
    const std::map<std::string, Cost> costs = MeasureIdle(kind);
    idle[kind] = costs.at("");
    Print(NameOf(kind), idle[kind]);
    for (const auto& [name, cost] : costs) {
      if (!name.empty() && costs.size() > 2) Print("  of it " + name, cost);
    }
  }
  const auto peer = idle.find(Kind::kSupervisord);
  if (peer == idle.end()) return true;
  const Cost& own = idle[Kind::kProcctl];
  const Cost& other = peer->second;
  const bool less_cpu = own.cpu_seconds < other.cpu_seconds;
  const bool less_memory = own.together_kb < other.together_kb || other.together_kb < 0;
  if (!less_cpu)
    std::fprintf(stderr, "over the limit: less processor time than supervisord when idle\n");
  if (!less_memory)
    std::fprintf(stderr, "over the limit: less memory than supervisord when idle\n");
  return less_cpu && less_memory;
}

int Bench(bool check, const std::string& half) {
  if (prctl(PR_SET_CHILD_SUBREAPER, 1) != 0)
    throw HarnessError("PR_SET_CHILD_SUBREAPER: " + std::string(strerror(errno)));
  std::vector<Kind> kinds;
  for (const Kind kind : {Kind::kProcctl, Kind::kSupervisord, Kind::kS6}) {
    if (ProgramOf(kind).empty()) {
      std::printf("%s is not installed: left out\n", NameOf(kind));
    } else {
      kinds.push_back(kind);
    }
  }
  const bool restarts_good = half == "idle" || BenchRestarts(kinds);
  const bool idle_good = half == "restarts" || BenchIdle(kinds);
  return !check || (restarts_good && idle_good) ? 0 : 1;
}

}  // namespace
}  // namespace procctl::bench

int main(int argc, char** argv) {
  try {
    const std::string word = argc > 1 ? argv[1] : "";
    return procctl::bench::Bench(word == "--check", word);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "programs_bench: %s\n", error.what());
    return 1;
  }
}
