#include "controller/options.h"

#include <CLI/CLI.hpp>

#include "proto/support/version.h"

namespace procctl::controller {
namespace {

constexpr int kUsage = 2;

constexpr char kFooter[] =
    "Commands:\n"
    "  init             Make the CA and the certificates of a fleet; see procctl-controller init "
    "--help\n"
    "  explain [FIELD]  Say what a key of FILE means; without FIELD: all keys\n"
    "  ready            Ask a controller whether it serves; see procctl-controller ready --help\n"
    "  backup FILE      Copy the history, while the controller runs or not\n"
    "  restore FILE     Put a backup in the place of the history\n\n"
    "Examples:\n"
    "  procctl-controller --config /etc/procctl/controller.yaml\n"
    "  procctl-controller --dev --node a --node b\n"
    "  procctl-controller ready --config /etc/procctl/controller.yaml\n";

}  // namespace

bool ParseOptions(int argc, char** argv, Options* options, int* exit_code) {
  CLI::App app(
      "Holds the state of a fleet: nodes report to it, procctl-cli asks it. Every connection is "
      "mTLS.",
      "procctl-controller");
  app.footer(kFooter);
  app.set_version_flag("--version", procctl::kVersion);
  auto* config = app.add_option("--config", options->config, "Serve with this configuration file");
  auto* check =
      app.add_option("--check", options->config, "Check a configuration file, do no more");
  bool is_dev = false;
  auto* dev =
      app.add_flag("--dev", is_dev, "Serve on loopback with a throw-away CA, to try things out");
  app.add_option("--listen", options->dev_listen,
                 "With --dev: address (127.0.0.1:7443); port 0: any")
      ->needs(dev);
  app.add_option("--state", options->dev_state, "With --dev: folder to keep CA and state in")
      ->needs(dev);
  app.add_option("--node", options->dev_nodes, "With --dev: ids of nodes to make certificates for")
      ->needs(dev)
      ->delimiter(',');
  config->excludes(check)->excludes(dev);
  check->excludes(dev);
  try {
    app.parse(argc, argv);
    if (config->empty() && check->empty() && !is_dev) {
      throw CLI::RequiredError("--config FILE, --check FILE or --dev");
    }
  } catch (const CLI::ParseError& e) {
    *exit_code = app.exit(e) == 0 ? 0 : kUsage;
    return false;
  }
  options->mode = is_dev            ? Options::Mode::kDev
                  : !check->empty() ? Options::Mode::kCheck
                                    : Options::Mode::kServe;
  return true;
}

}  // namespace procctl::controller
