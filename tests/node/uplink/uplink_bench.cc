// What the uplink costs: prints figures of the real program on this machine. Fails only if
// something does not arrive at all.
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "tests/node/uplink/fixture_run.h"

namespace procctl::uplink {
namespace {

using Clock = std::chrono::steady_clock;

double Ms(Clock::duration d) { return std::chrono::duration<double, std::milli>(d).count(); }

void Must(bool ok, const char* what, const FakeGuardian& guardian) {
  if (ok) return;
  std::fprintf(stderr, "uplink_bench: %s\n%s", what, guardian.Log().c_str());
  std::exit(1);
}

// User and system CPU of a process, in ms.
double CpuMs(pid_t pid) {
  std::ifstream stat("/proc/" + std::to_string(pid) + "/stat");
  std::string text((std::istreambuf_iterator<char>(stat)), {});
  text.erase(0, text.rfind(')') + 2);
  long user = 0;
  long system = 0;
  if (std::sscanf(text.c_str(), "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %ld %ld", &user,
                  &system) != 2) {
    return 0;
  }
  return 1000.0 * static_cast<double>(user + system) / static_cast<double>(sysconf(_SC_CLK_TCK));
}

void Orders(FakeController* controller, FakeGuardian* guardian) {
  std::vector<double> ms;
  for (std::size_t i = 0; i < 1'000; ++i) {
    const Clock::time_point start = Clock::now();
    controller->SendOrder(MakeOrder("bench/" + std::to_string(i)));
    Must(guardian->Pump([&] { return guardian->orders().size() == i + 1; }), "an order was lost",
         *guardian);
    ms.push_back(Ms(Clock::now() - start));
  }
  std::sort(ms.begin(), ms.end());
  std::printf(
      "order, controller's write to guardian's read, intent journalled: p50 %.2f ms, "
      "p99 %.2f ms, max %.2f ms (1000 orders)\n",
      ms[500], ms[990], ms.back());
}

void Run() {
  procctl::testing::TemporaryFolder folder;
  FakeController controller(procctl::testing::Read(Fleet().Controller()));
  controller.Start();

  {
    FakeGuardian guardian(MakeHello(folder.path()), folder.path() + "/log");
    guardian.Start();
    const int events = 200'000;
    const double cpu = CpuMs(guardian.pid());
    const Clock::time_point start = Clock::now();
    guardian.Record(events);
    Must(guardian.Pump([&] { return guardian.spooled() == events; }), "events were not spooled",
         guardian);
    const double ms = Ms(Clock::now() - start);
    std::printf(
        "events, link to spool with fsync, no controller: %.0f per second (%d in %.0f ms, "
        "%.0f ms of the uplink's CPU)\n",
        events / ms * 1000, events, ms, CpuMs(guardian.pid()) - cpu);
  }

  v1::LinkHello hello = MakeHello(folder.path());
  hello.set_controller_address(controller.address());
  FakeGuardian guardian(hello, folder.path() + "/log");
  const Clock::time_point connect = Clock::now();
  guardian.NextEpoch();
  guardian.Start();
  Must(guardian.Pump([&] { return controller.Welcomed() == 1; }), "no session", guardian);
  std::printf("start to Welcome: %.0f ms\n", Ms(Clock::now() - connect));
  Must(guardian.Pump([&] { return controller.Committed(1) == 200'000; }), "no replay", guardian);
  const double replay = Ms(controller.LastEventAt() - connect);
  std::printf("replay from the spool to a controller: %.0f events per second (200000 in %.0f ms)\n",
              200'000 / replay * 1000, replay);

  const Clock::time_point live = Clock::now();
  guardian.Record(100'000);
  Must(guardian.Pump(
           [&] { return controller.Committed(2) == 100'000 && guardian.spooled() == 100'000; }),
       "events were lost", guardian);
  std::printf("events, guardian to controller and spool: %.0f per second\n",
              100'000 / Ms(Clock::now() - live) * 1000);

  std::vector<v1::Slot> slots;
  for (int i = 1; i <= 10'000; ++i) slots.push_back(MakeSlot(i));
  const Clock::time_point rows = Clock::now();
  guardian.SetSlots(slots);
  Must(guardian.Pump([&] { return controller.Slots().size() == 10'000; }), "no snapshot", guardian);
  std::printf("10000 slots, guardian to controller: %.0f ms\n", Ms(Clock::now() - rows));

  Orders(&controller, &guardian);

  const double idle_cpu = CpuMs(guardian.pid());
  const Clock::time_point idle = Clock::now();
  (void)guardian.Pump([] { return false; }, std::chrono::seconds(3));
  std::printf("idle with a session and 10000 slots: %.2f %% of a core\n",
              (CpuMs(guardian.pid()) - idle_cpu) / Ms(Clock::now() - idle) * 100);
  Must(controller.Breaches().empty(), controller.Breaches().c_str(), guardian);
}

}  // namespace
}  // namespace procctl::uplink

int main() {
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  procctl::uplink::Run();
  return 0;
}
