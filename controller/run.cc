#include "controller/run.h"

#include <signal.h>
#include <unistd.h>

#include <thread>
#include <utility>

#include "absl/synchronization/notification.h"
#include "absl/time/time.h"
#include "controller/rpc/descriptor_limit.h"
#include "proto/support/tls_files.h"
#include "proto/support/version.h"
#include "spdlog/fmt/chrono.h"
#include "spdlog/spdlog.h"

namespace procctl::controller {
namespace {

constexpr absl::Duration kDrainTime = absl::Seconds(15);
constexpr unsigned int kLogSeconds = 3;

sigset_t EndSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  return signals;
}

// Ends the process if the drain hangs: whoever supervises it must not wait for ever.
class Watchdog {
 public:
  Watchdog()
      : thread_([this] {
          if (done_.WaitForNotificationWithTimeout(kDrainTime)) return;
          // Whoever takes the log may be what hangs: SIGALRM ends the process all the same.
          (void)alarm(kLogSeconds);
          spdlog::error(
              "the drain took over 15 s; ending without it. Nodes keep what is not "
              "acknowledged");
          spdlog::shutdown();
          _exit(1);
        }) {}
  ~Watchdog() {
    done_.Notify();
    thread_.join();
  }

 private:
  absl::Notification done_;
  std::thread thread_;
};

void WarnOfExpiry(const std::string& certificate) {
  const auto facts = ReadCertificate(certificate);
  if (!facts.ok()) return;
  const auto left = facts->not_after - std::chrono::system_clock::now();
  if (left > std::chrono::hours(14 * 24)) return;
  spdlog::warn(
      "this controller's certificate {} in {} days; issue a new one with "
      "procctl-controller init and restart",
      left.count() < 0 ? "has expired" : "expires",
      std::chrono::duration_cast<std::chrono::hours>(left).count() / 24);
}

}  // namespace

void BlockSignals() {
  const sigset_t signals = EndSignals();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  signal(SIGPIPE, SIG_IGN);
}

absl::Status Run(ServerOptions options, int max_connections,
                 const std::function<void(const std::string& address)>& listening) {
  auto limit = ApplyDescriptorLimit(max_connections);
  if (!limit.ok()) return limit.status();
  options.descriptor_limit = *limit;
  WarnOfExpiry(options.tls.cert);
  auto server = Server::Start(options);
  if (!server.ok()) return server.status();
  spdlog::info("procctl-controller {}: {} of fleet {} listening on {}, at most {} descriptors",
               kVersion, options.identity.ToString(), options.identity.fleet, (*server)->address(),
               *limit);
  listening((*server)->address());

  const sigset_t signals = EndSignals();
  int received = 0;
  sigwait(&signals, &received);
  spdlog::info("{}: going down", received == SIGTERM ? "SIGTERM" : "SIGINT");
  const Watchdog watchdog;
  (*server)->Stop();
  spdlog::info("down");
  return absl::OkStatus();
}

}  // namespace procctl::controller
