// procctl-logger [--journal SOCKET]: writes the output of a node's programs to files and to the
// system's journal. Started by procctl-node.
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <cstdio>
#include <cstring>
#include <string>
#include <utility>

#include "absl/synchronization/mutex.h"
#include "node/logger/logger.h"
#include "node/os/journal_socket.h"
#include "node/os/unique_fd.h"
#include "proto/support/logging.h"
#include "proto/support/version.h"

namespace {

constexpr int kLinkFd = 3;
constexpr int kUsage = 2;
// What it says of programs goes to the guardian, which logs it.
constexpr size_t kWaitingLines = 64;

// Two FIFOs and two files for each program.
void RaiseDescriptorLimit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  (void)setrlimit(RLIMIT_NOFILE, &limit);  // the soft one up to the hard one is always allowed
}

}  // namespace

int main(int argc, char** argv) {
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  if (argc == 2 && std::strcmp(argv[1], "--version") == 0) {
    std::printf("procctl-logger %s\n", procctl::kVersion);
    return 0;
  }
  const bool elsewhere = argc == 3 && std::strcmp(argv[1], "--journal") == 0;
  if ((argc != 1 && !elsewhere) || !procctl::logger::CheckLinkSocket(kLinkFd).ok()) {
    std::fputs(
        "procctl-logger is started by procctl-node; do not run it by hand\n"
        "(--version prints its version)\n",
        stderr);
    return kUsage;
  }
  // A signal to the whole service is meant for the programs, and what they say on their way out is
  // still to be written: only the end of the link ends us.
  for (const int signal_number : {SIGTERM, SIGINT, SIGHUP, SIGPIPE, SIGXFSZ}) {
    (void)signal(signal_number, SIG_IGN);
  }
  (void)umask(0027);
  RaiseDescriptorLimit();
  procctl::node::UniqueFd link(kLinkFd);
  (void)fcntl(kLinkFd, F_SETFD, FD_CLOEXEC);
  if (absl::Status status = procctl::StartLogging("procctl-logger", "", "", kWaitingLines);
      !status.ok()) {
    std::fprintf(stderr, "procctl-logger: %s\n", std::string(status.message()).c_str());
    return 1;
  }
  return procctl::logger::RunLogger(std::move(link),
                                    elsewhere ? argv[2] : procctl::node::kJournalSocket);
}
