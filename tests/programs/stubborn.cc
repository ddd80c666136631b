// A program that ignores SIGTERM: only SIGKILL ends it. Hangs on SIGUSR1, or by itself after a
// time.
#include <poll.h>
#include <signal.h>

#include <algorithm>
#include <chrono>
#include <string>

#include "procctl/heartbeat.h"
#include "tests/programs/arguments.h"

namespace {

volatile sig_atomic_t asked_to_hang = 0;

void AskToHang(int) { asked_to_hang = 1; }

}  // namespace

int main(int argc, char** argv) {
  using procctl::programs::NumberArgument;
  using std::chrono::milliseconds;
  using Clock = std::chrono::steady_clock;
  const std::string name = procctl::programs::TextArgument(argc, argv, "--name");
  const milliseconds timeout(NumberArgument(argc, argv, "--timeout-ms", 1, 5000));
  const milliseconds hang_after(NumberArgument(argc, argv, "--hang-after-ms", 0, -1));

  signal(SIGTERM, SIG_IGN);
  struct sigaction hang = {};
  hang.sa_handler = AskToHang;
  sigaction(SIGUSR1, &hang, nullptr);

  procctl::Heart heart;
  const int error = heart.Open(name.c_str(), timeout);
  heart.Note("working, deaf to SIGTERM");
  procctl::programs::PrintReady(error);

  const auto start = Clock::now();
  const int interval_ms = std::clamp(static_cast<int>(timeout.count()) / 10, 1, 200);
  while (!asked_to_hang && (hang_after.count() < 0 || Clock::now() - start < hang_after)) {
    heart.Beat();
    poll(nullptr, 0, interval_ms);
  }
  heart.Note("hanging, deaf to SIGTERM");
  for (;;) poll(nullptr, 0, -1);
}
