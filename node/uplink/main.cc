#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>

#include <cstdio>
#include <cstring>
#include <string>

#include "absl/synchronization/mutex.h"
#include "node/uplink/link.h"
#include "node/uplink/uplink.h"
#include "proto/support/logging.h"
#include "proto/support/unique_fd.h"
#include "proto/support/version.h"

namespace {

constexpr int kLinkFd = 3;
constexpr int kUsage = 2;

// SIGTERM and SIGINT arrive as something to read. Before any thread runs, so that all inherit it.
procctl::UniqueFd CatchStopSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  (void)pthread_sigmask(SIG_BLOCK, &signals, nullptr);  // Fails only for a bad argument.
  (void)signal(SIGPIPE, SIG_IGN);
  return procctl::UniqueFd(signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK));
}

}  // namespace

int main(int argc, char** argv) {
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  // The node's private key is in this memory: no core dump, no ptrace by others of this user.
  (void)prctl(PR_SET_DUMPABLE, 0);
  if (argc == 2 && std::strcmp(argv[1], "--version") == 0) {
    std::printf("procctl-uplink %s\n", procctl::kVersion);
    return 0;
  }
  if (argc != 1 || !procctl::uplink::CheckLinkSocket(kLinkFd).ok()) {
    std::fputs(
        "procctl-uplink is started by procctl-node; do not run it by hand\n"
        "(--version prints its version)\n",
        stderr);
    return kUsage;
  }
  procctl::UniqueFd link(kLinkFd);
  (void)fcntl(kLinkFd, F_SETFD, FD_CLOEXEC);
  if (absl::Status status = procctl::StartLogging("procctl-uplink", "", ""); !status.ok()) {
    std::fprintf(stderr, "procctl-uplink: %s\n", std::string(status.message()).c_str());
    return 1;
  }
  procctl::UniqueFd stop = CatchStopSignals();
  if (!stop.ok()) procctl::Fatal("signalfd failed: no descriptors or no memory at the start");
  return procctl::uplink::RunUplink(std::move(link), std::move(stop));
}
