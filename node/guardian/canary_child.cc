#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cstdlib>

#include "node/guardian/canary.h"
#include "procctl/heartbeat.h"

namespace procctl::node {

int RunCanary(const char* socket, const char* timeout_ms) {
  constexpr int kNotKilled = 3;
  constexpr int kNotGuarded = 4;
  // Also that it is not taken for a guardian, which nobody may signal.
  prctl(PR_SET_NAME, "procctl-canary");
  signal(SIGTERM, SIG_IGN);
  setenv("PROCCTL_HEARTBEAT_SOCKET", socket, 1);
  procctl_heart heart = PROCCTL_HEART_INIT;
  const auto timeout = static_cast<uint32_t>(std::strtoul(timeout_ms, nullptr, 10));
  if (procctl_open(&heart, "procctl-canary", timeout) != 0) return kNotGuarded;
  procctl_note(&heart, "hangs on purpose");
  alarm(60);  // whatever happens to the guardian
  for (;;) pause();
  return kNotKilled;
}

}  // namespace procctl::node
