// fleetsim: a simulated fleet (README.md).
#include <signal.h>
#include <sys/resource.h>

#include <cstdio>

#include "absl/synchronization/mutex.h"
#include "tests/fleetsim/clock.h"
#include "tests/fleetsim/fleet_sim.h"
#include "tests/fleetsim/options.h"
#include "tests/fleetsim/report.h"

namespace procctl::fleetsim {
namespace {

// A connection is a descriptor; the hard limit is what there is.
void RaiseDescriptorLimit() {
  rlimit limit = {};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  (void)setrlimit(RLIMIT_NOFILE, &limit);
}

int Main(const Options& options) {
  sigset_t ends;
  sigemptyset(&ends);
  sigaddset(&ends, SIGINT);
  sigaddset(&ends, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &ends, nullptr);
  signal(SIGPIPE, SIG_IGN);
  RaiseDescriptorLimit();
  if (options.nice > 0) (void)setpriority(PRIO_PROCESS, 0, options.nice);
  auto sim = FleetSim::Start(options);
  if (!sim.ok()) {
    std::fprintf(stderr, "fleetsim: %s\n", std::string(sim.status().message()).c_str());
    return 1;
  }
  if (options.only_certificates) return 0;
  Report report(options.json, (*sim)->nodes(), (*sim)->began());
  const auto duration = static_cast<std::int64_t>(options.duration_s * 1e9);
  const std::int64_t began = (*sim)->began();
  std::int64_t next_report = began + 1'000'000'000;
  for (;;) {
    const timespec pause = {0, 50'000'000};
    const bool told = sigtimedwait(&ends, nullptr, &pause) > 0;
    const std::int64_t now = MonoNs();
    (*sim)->Tick(now);
    if (now >= next_report) {
      report.Second(&(*sim)->stats(), now);
      next_report = now + 1'000'000'000;
    }
    if (told || (duration > 0 && now - began >= duration)) break;
  }
  // Before the goodbyes: a fleet that leaves is no longer all there.
  const std::int64_t end = MonoNs();
  report.End(&(*sim)->stats(), end);
  (*sim)->Stop();
  return 0;
}

}  // namespace
}  // namespace procctl::fleetsim

int main(int argc, char** argv) {
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  procctl::fleetsim::Options options;
  int exit_code = 0;
  if (!procctl::fleetsim::ParseOptions(argc, argv, &options, &exit_code)) return exit_code;
  return procctl::fleetsim::Main(options);
}
