// procctl-controller: the fleet's state, for its nodes and its operators.
#include <cstdio>
#include <string>
#include <string_view>

#include "absl/synchronization/mutex.h"
#include "controller/backup_command.h"
#include "controller/dev_fleet.h"
#include "controller/explain_command.h"
#include "controller/options.h"
#include "controller/pki/init_command.h"
#include "controller/ready_command.h"
#include "controller/run.h"
#include "controller/settings.h"
#include "proto/support/logging.h"

namespace procctl::controller {
namespace {

constexpr int kFailed = 1;
constexpr int kUsage = 2;

int Refuse(const absl::Status& status, int code) {
  std::fprintf(stderr, "procctl-controller: %s\n", std::string(status.message()).c_str());
  return code;
}

// One line that scripts wait for.
void Announce(const std::string& address) {
  std::printf("listening on %s\n", address.c_str());
  std::fflush(stdout);
}

int Serve(const Options& options) {
  const auto settings = ReadSettings(options.config);
  if (!settings.ok()) return Refuse(settings.status(), kUsage);
  if (options.mode == Options::Mode::kCheck) {
    std::printf("%s: good\n", options.config.c_str());
    return 0;
  }
  const absl::Status logging =
      StartLogging("procctl-controller", settings->log_format, settings->log_level);
  if (!logging.ok()) return Refuse(logging, kUsage);
  const absl::Status ran = Run(settings->server, settings->max_connections, Announce);
  return ran.ok() ? 0 : Refuse(ran, kFailed);
}

int ServeDev(const Options& options) {
  const auto fleet = DevFleet::Make(options);
  if (!fleet.ok()) {
    return Refuse(fleet.status(), absl::IsInvalidArgument(fleet.status()) ? kUsage : kFailed);
  }
  const absl::Status logging = StartLogging("procctl-controller", "", "");
  if (!logging.ok()) return Refuse(logging, kFailed);
  const absl::Status ran = Run(fleet->server(), 0, [&](const std::string& address) {
    Announce(address);
    std::printf("%s", fleet->Instructions(address).c_str());
    std::fflush(stdout);
  });
  return ran.ok() ? 0 : Refuse(ran, kFailed);
}

}  // namespace
}  // namespace procctl::controller

int main(int argc, char** argv) {
  // Debian builds Abseil with its deadlock detector on, which aborts on mere suspicion.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  const std::string_view command = argc > 1 ? argv[1] : "";
  if (command == "init") return procctl::RunInit(argc - 1, argv + 1);
  if (command == "explain") return procctl::controller::RunExplain(argc - 1, argv + 1);
  if (command == "ready") return procctl::controller::RunReady(argc - 1, argv + 1);
  if (command == "backup") return procctl::controller::RunBackup(argc - 1, argv + 1);
  if (command == "restore") return procctl::controller::RunRestore(argc - 1, argv + 1);
  procctl::controller::BlockSignals();
  procctl::controller::Options options;
  int exit_code = 0;
  if (!procctl::controller::ParseOptions(argc, argv, &options, &exit_code)) return exit_code;
  return options.mode == procctl::controller::Options::Mode::kDev
             ? procctl::controller::ServeDev(options)
             : procctl::controller::Serve(options);
}
