// procctl-node: the guardian of one host.
#include <cstdio>
#include <string>
#include <string_view>
#include <utility>

#include "CLI/CLI.hpp"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "node/guardian/canary.h"
#include "node/guardian/check_command.h"
#include "node/guardian/guardian.h"
#include "node/guardian/settings.h"
#include "procctl/v1/config.pb.h"
#include "proto/support/config_help.h"
#include "proto/support/logging.h"
#include "proto/support/version.h"

namespace {

constexpr int kFailed = 1;
constexpr int kBadConfig = 2;

int Refuse(const absl::Status& status, int code) {
  std::fprintf(stderr, "procctl-node: %s\n", std::string(status.message()).c_str());
  return code;
}

int Show(const absl::StatusOr<std::string>& text) {
  if (!text.ok()) return Refuse(text.status(), kBadConfig);
  std::fputs(text->c_str(), stdout);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  // A mode for the guardian itself to start, before anything else is set up.
  if (argc == 4 && std::string_view(argv[1]) == "--canary")
    return procctl::node::RunCanary(argv[2], argv[3]);
  auto manager = procctl::node::ServiceManager::FromEnvironment();
  // Debian builds Abseil with its deadlock detector on, which aborts on mere suspicion.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);

  CLI::App app(
      "Guards the processes of this host: one that stays silent past its timeout is stopped.");
  app.footer(
      "Example:\n  procctl-node check /etc/procctl/node.yaml && procctl-node "
      "/etc/procctl/node.yaml");
  app.set_version_flag("--version", procctl::kVersion);
  std::string file;
  app.add_option("config", file, "Configuration file (YAML; its keys: procctl-node explain)");
  CLI::App* check = app.add_subcommand("check", "Check a configuration file and do nothing else");
  check->add_option("config", file, "Configuration file")->required();
  std::string old;
  check->add_option("--diff", old,
                    "Configuration file that is in force: also say what a reload would do");
  std::string field;
  CLI::App* explain = app.add_subcommand("explain", "Say what a key of the configuration means");
  explain->add_option("field", field, "Key, such as brakes.burst; none: all keys of the file");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? 0 : kBadConfig;
  }
  if (explain->parsed())
    return Show(procctl::ExplainConfig(*procctl::v1::NodeConfig::descriptor(), field));
  if (file.empty()) {
    std::fprintf(stderr, "procctl-node: no configuration file given; try procctl-node --help\n");
    return kBadConfig;
  }
  if (check->parsed()) return Show(procctl::node::CheckFile(file, old, absl::Now()));
  const auto settings = procctl::node::ReadSettings(file);
  if (!settings.ok()) return Refuse(settings.status(), kBadConfig);
  const absl::Status logging =
      procctl::StartLogging("procctl-node", settings->log_format, settings->log_level);
  if (!logging.ok()) return Refuse(logging, kBadConfig);
  const absl::Status ran = procctl::node::RunGuardian(*settings, std::move(manager));
  return ran.ok() ? 0 : Refuse(ran, kFailed);
}
