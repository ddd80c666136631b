// The command line of procctl-controller.
#pragma once

#include <string>
#include <vector>

namespace procctl::controller {

struct Options {
  enum class Mode { kServe, kCheck, kDev };
  Mode mode = Mode::kServe;
  std::string config;  // kServe and kCheck
  // kDev only.
  std::string dev_listen = "127.0.0.1:7443";
  std::string dev_state;  // empty: a new temporary folder, removed at the end
  std::vector<std::string> dev_nodes = {"dev-1"};
};

// True: go on with `options`. False: exit with `exit_code` (--help, --version, or a usage error
// that was written to stderr; then it is 2).
bool ParseOptions(int argc, char** argv, Options* options, int* exit_code);

}  // namespace procctl::controller
