#include "tests/e2e/harness/wait.h"

#include <ctime>
#include <thread>

namespace procctl::e2e {
namespace {
constexpr auto kLookEvery = 5ms;
}

std::chrono::nanoseconds SinceBoot() {
  timespec now{};
  clock_gettime(CLOCK_BOOTTIME, &now);
  return std::chrono::seconds(now.tv_sec) + std::chrono::nanoseconds(now.tv_nsec);
}

bool Eventually(std::chrono::milliseconds limit, const std::function<bool()>& holds) {
  const auto end = std::chrono::steady_clock::now() + limit;
  while (true) {
    if (holds()) return true;
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(kLookEvery);
  }
}

void Await(std::chrono::milliseconds limit, const std::string& what,
           const std::function<bool()>& holds, const std::function<std::string()>& detail) {
  if (Eventually(limit, holds)) return;
  throw HarnessError(what + " did not happen within " + std::to_string(limit.count()) + " ms" +
                     (detail ? ":\n" + detail() : ""));
}

bool Throughout(std::chrono::milliseconds period, const std::function<bool()>& holds) {
  return !Eventually(period, [&] { return !holds(); });
}

}  // namespace procctl::e2e
