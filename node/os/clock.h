// The only place of the guardian that reads clocks.
#pragma once

#include <chrono>
#include <string>

#include "node/core/mono_time.h"
#include "node/core/seams.h"

namespace procctl::node {

ClockReading ReadClocks();

class KernelClocks final : public Clocks {
 public:
  ClockReading Read() const override { return ReadClocks(); }
};

MonoTime MonoNow();
// CLOCK_BOOTTIME.
Nanos SinceBoot();
// To show, never to decide.
std::chrono::system_clock::time_point WallNow();

// /proc/sys/kernel/random/boot_id; "unknown" where /proc does not have it.
std::string ReadBootId();

}  // namespace procctl::node
