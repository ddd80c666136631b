#include "node/os/clock.h"

#include <ctime>
#include <fstream>

namespace procctl::node {
namespace {

Nanos Read(clockid_t id) {
  timespec t{};
  clock_gettime(id, &t);
  return std::chrono::seconds(t.tv_sec) + Nanos(t.tv_nsec);
}

}  // namespace

ClockReading ReadClocks() {
  const Nanos mono = Read(CLOCK_MONOTONIC);
  return {MonoTime(mono), Read(CLOCK_BOOTTIME) - mono};
}

MonoTime MonoNow() { return MonoTime(Read(CLOCK_MONOTONIC)); }
Nanos SinceBoot() { return Read(CLOCK_BOOTTIME); }
std::chrono::system_clock::time_point WallNow() { return std::chrono::system_clock::now(); }

std::string ReadBootId() {
  std::ifstream in("/proc/sys/kernel/random/boot_id");
  std::string id;
  in >> id;
  return id.empty() ? "unknown" : id;
}

}  // namespace procctl::node
