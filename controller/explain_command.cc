#include "controller/explain_command.h"

#include <CLI/CLI.hpp>
#include <cstdio>
#include <string>

#include "procctl/v1/config.pb.h"
#include "proto/support/config_help.h"

namespace procctl::controller {
namespace {

constexpr int kUsage = 2;

}  // namespace

int RunExplain(int argc, char** argv) {
  CLI::App app("Says what a key of the configuration means.", "procctl-controller explain");
  std::string field;
  app.add_option("field", field, "Key, such as suspect_after; none: all keys of the file");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? 0 : kUsage;
  }
  const auto text = ExplainConfig(*v1::ControllerConfig::descriptor(), field);
  if (!text.ok()) {
    std::fprintf(stderr, "procctl-controller: %s\n", std::string(text.status().message()).c_str());
    return kUsage;
  }
  std::fputs(text->c_str(), stdout);
  return 0;
}

}  // namespace procctl::controller
