// What a guardian costs with 10,000 slots, and how late its SIGTERM is with all of them.
//
//   guardian_bench           prints the figures
//   guardian_bench --check   and fails if one is over its limit
//
// The slots belong to ten processes that beat each of them twenty times a second. CPU is that of
// the guardian's process (utime + stime) over 20 s; its uplink is a process of its own.
#include <poll.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <sstream>
#include <vector>

#include "tests/e2e/harness/child.h"
#include "tests/e2e/harness/fleet.h"
#include "tests/e2e/harness/guarded_child.h"

namespace procctl::e2e {
namespace {

using Milliseconds = std::chrono::duration<double, std::milli>;

constexpr int kProcesses = 10;
constexpr int kSlotsEach = 1000;
constexpr int kHangs = 20;
constexpr auto kWindow = 20s;
constexpr auto kHangTimeout = 1000ms;
constexpr double kMostCpuPercent = 1.0;
constexpr Milliseconds kMostLate = 2 * 100ms + 50ms;  // two scan intervals and 50 ms

int Beat(const Node& node, int process, int ready) {
  std::vector<procctl_heart> hearts(kSlotsEach, procctl_heart PROCCTL_HEART_INIT);
  for (int i = 0; i < kSlotsEach; ++i) {
    const std::string name = "bench-" + std::to_string(process) + "-" + std::to_string(i);
    if (const int error = OpenHeart(&hearts[static_cast<size_t>(i)], node, name, 60s); error != 0) {
      fprintf(stderr, "slot %d: %s (%s)\n", i, strerror(-error), procctl_open_error());
      return 1;
    }
  }
  if (write(ready, "y", 1) != 1) return 1;
  while (true) {
    for (procctl_heart& heart : hearts) procctl_beat(&heart);
    usleep(50'000);
  }
}

Milliseconds Monotonic() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return std::chrono::seconds(now.tv_sec) + std::chrono::nanoseconds(now.tv_nsec);
}

// Beats for a while, hangs, and reports how long after its timeout SIGTERM came.
int HangAndReport(const Node& node, int number, int report) {
  sigset_t term;
  sigemptyset(&term);
  sigaddset(&term, SIGTERM);
  sigprocmask(SIG_BLOCK, &term, nullptr);
  procctl_heart heart = PROCCTL_HEART_INIT;
  if (OpenHeart(&heart, node, "hang-" + std::to_string(number), kHangTimeout) != 0) return 1;
  // At another phase of the scan each.
  const Milliseconds until = Monotonic() + 500ms + Milliseconds(number * 137 % 1000);
  while (Monotonic() < until) {
    procctl_beat(&heart);
    usleep(1000);
  }
  procctl_beat(&heart);
  const Milliseconds due = Monotonic() + kHangTimeout;
  int signal = 0;
  sigwait(&term, &signal);
  const double late = (Monotonic() - due).count();
  return write(report, &late, sizeof late) == sizeof late ? 0 : 1;
}

double CpuSeconds(pid_t pid) {
  const std::string stat = ReadFile("/proc/" + std::to_string(pid) + "/stat");
  std::istringstream fields(stat.substr(stat.rfind(')') + 2));
  std::string skip;
  for (int i = 3; i < 14; ++i) fields >> skip;
  double user = 0, system = 0;
  fields >> user >> system;
  return (user + system) / static_cast<double>(sysconf(_SC_CLK_TCK));
}

int ResidentKb(pid_t pid) {
  const std::string status = ReadFile("/proc/" + std::to_string(pid) + "/status");
  const size_t at = status.find("VmRSS:");
  return at == std::string::npos ? 0 : atoi(status.c_str() + at + strlen("VmRSS:"));
}

int Bench(bool check) {
  rlimit descriptors{};
  getrlimit(RLIMIT_NOFILE, &descriptors);
  descriptors.rlim_cur = descriptors.rlim_max;
  setrlimit(RLIMIT_NOFILE, &descriptors);

  Fleet fleet({});
  NodeOptions options;
  options.with_controller = false;
  options.yaml = "heartbeat: {max_slots: 16384, max_slots_per_user: 16384}";
  Node& node = fleet.StartNode("bench", options);
  const pid_t guardian = node.guardian().pid();
  const int empty_kb = ResidentKb(guardian);

  std::vector<Child> clients;
  const Milliseconds begin = Monotonic();
  int ready[2];
  if (pipe(ready) != 0) return 1;
  for (int i = 0; i < kProcesses; ++i) {
    clients.push_back(Child::Fork([&, i] { return Beat(node, i, ready[1]); }));
  }
  for (int i = 0; i < kProcesses; ++i) {
    char byte;
    pollfd answered{ready[0], POLLIN, 0};
    if (poll(&answered, 1, 60'000) != 1 || read(ready[0], &byte, 1) != 1) {
      fprintf(stderr, "a client could not register; the guardian says:\n%s", node.Log().c_str());
      return 1;
    }
  }
  printf("%d slots registered in %.0f ms\n", kProcesses * kSlotsEach,
         (Monotonic() - begin).count());

  const double cpu_before = CpuSeconds(guardian);
  const Milliseconds window_begin = Monotonic();
  if (!Throughout(kWindow, [&] { return node.guardian().Running(); })) return 1;
  const double cpu = (CpuSeconds(guardian) - cpu_before) /
                     std::chrono::duration<double>(Monotonic() - window_begin).count() * 100;
  printf(
      "guardian: %.2f %% of a core over %lld s, %d KiB resident (%d KiB before the first slot)\n",
      cpu, static_cast<long long>(kWindow.count()), ResidentKb(guardian), empty_kb);

  int report[2];
  if (pipe(report) != 0) return 1;
  std::vector<Child> hanging;
  for (int i = 0; i < kHangs; ++i) {
    hanging.push_back(Child::Fork([&, i] { return HangAndReport(node, i, report[1]); }));
  }
  std::vector<double> late;
  for (Child& child : hanging) {
    double one = 0;
    if (child.WaitExit(20s) != 0 || read(report[0], &one, sizeof one) != sizeof one) {
      fprintf(stderr, "a hung process was not asked to stop; the guardian says:\n%s",
              node.Log().c_str());
      return 1;
    }
    late.push_back(one);
  }
  std::sort(late.begin(), late.end());
  printf("SIGTERM after the timeout: median %.1f ms, worst %.1f ms of %d\n", late[late.size() / 2],
         late.back(), kHangs);

  const bool good = cpu <= kMostCpuPercent && late.back() <= kMostLate.count() && late.front() > -5;
  if (check && !good) {
    fprintf(stderr,
            "over the limit: at most %.1f %% of a core, at most %.0f ms late, never early\n",
            kMostCpuPercent, kMostLate.count());
  }
  return !check || good ? 0 : 1;
}

}  // namespace
}  // namespace procctl::e2e

int main(int argc, char** argv) {
  try {
    return procctl::e2e::Bench(argc > 1 && strcmp(argv[1], "--check") == 0);
  } catch (const std::exception& error) {
    fprintf(stderr, "guardian_bench: %s\n", error.what());
    return 1;
  }
}
