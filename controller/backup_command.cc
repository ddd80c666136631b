#include "controller/backup_command.h"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <optional>
#include <string>

#include "controller/settings.h"
#include "controller/store/backup.h"
#include "controller/store/restore.h"
#include "proto/support/size_text.h"

namespace procctl::controller {
namespace {

constexpr int kFailed = 1;
constexpr int kUsage = 2;

struct Arguments {
  std::string file;
  std::string state_dir;
  // Set: there is nothing to do but to end with it.
  std::optional<int> exit_code;
};

int Refuse(const absl::Status& status, int code) {
  std::fprintf(stderr, "procctl-controller: %s\n", std::string(status.message()).c_str());
  return code;
}

Arguments Parse(CLI::App* app, const char* file_help, bool config_required, int argc, char** argv) {
  Arguments arguments;
  std::string config = "/etc/procctl/controller.yaml";
  app->add_option("file", arguments.file, file_help)->required();
  auto* option = app->add_option("--config", config, "Configuration that names the state_dir");
  if (config_required) {
    option->required();
  } else {
    option->capture_default_str();
  }
  try {
    app->parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    arguments.exit_code = app->exit(e) == 0 ? 0 : kUsage;
    return arguments;
  }
  auto state_dir = ReadStateDir(config);
  if (state_dir.ok()) {
    arguments.state_dir = *std::move(state_dir);
  } else {
    arguments.exit_code = Refuse(state_dir.status(), kUsage);
  }
  return arguments;
}

}  // namespace

int RunBackup(int argc, char** argv) {
  CLI::App app(
      "Copies the history of a controller, running or not, to FILE: one file, checked, readable by "
      "this user alone. Never overwrites.",
      "procctl-controller backup");
  const Arguments arguments = Parse(&app, "The copy to make", false, argc, argv);
  if (arguments.exit_code) return *arguments.exit_code;
  const auto facts = BackUp(arguments.state_dir, arguments.file);
  if (!facts.ok()) return Refuse(facts.status(), kFailed);
  std::printf("%s: %s, events up to position %lld of history %s, generation %lld; checked\n",
              arguments.file.c_str(), FormatSize(facts->bytes).c_str(),
              static_cast<long long>(facts->last_position), facts->history_id.c_str(),
              static_cast<long long>(facts->generation));
  return 0;
}

int RunRestore(int argc, char** argv) {
  CLI::App app(
      "Puts the backup FILE in the place of a controller's history, while no controller runs. What "
      "is there is moved aside, never deleted.",
      "procctl-controller restore");
  const Arguments arguments = Parse(&app, "The backup to restore", true, argc, argv);
  if (arguments.exit_code) return *arguments.exit_code;
  const auto facts = Restore(arguments.file, arguments.state_dir);
  if (!facts.ok()) return Refuse(facts.status(), kFailed);
  std::printf("restored %s into %s: events up to position %lld, now history %s\n",
              arguments.file.c_str(), arguments.state_dir.c_str(),
              static_cast<long long>(facts->last_position), facts->history_id.c_str());
  if (!facts->moved_to.empty()) {
    std::printf("what was there before is %s; delete it when nobody needs it\n",
                facts->moved_to.c_str());
  }
  if (facts->orders_ended > 0) {
    std::printf("%lld orders that ran when the backup was made are cancelled\n",
                static_cast<long long>(facts->orders_ended));
  }
  std::printf(
      "when the controller starts, nodes send what they still hold of the time since; what they no "
      "longer hold is recorded as GAP events\n");
  return 0;
}

}  // namespace procctl::controller
