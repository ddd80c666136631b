// procctl-run: guards a program that cannot change.
#include <cstdio>
#include <variant>

#include "node/run/options.h"
#include "node/run/run.h"

namespace {

constexpr int kBadUsage = 2;

}  // namespace

int main(int argc, char** argv) {
  const auto parsed = procctl::run::ParseOptions(argc, argv);
  if (const auto* bad = std::get_if<procctl::run::BadUsage>(&parsed)) {
    std::fprintf(stderr, "procctl-run: %s (see procctl-run --help)\n", bad->message.c_str());
    return kBadUsage;
  }
  if (const auto* show = std::get_if<procctl::run::Show>(&parsed)) {
    if (*show == procctl::run::Show::kHelp) {
      std::fputs(procctl::run::kHelpText, stdout);
    } else {
      std::puts(PROCCTL_RUN_VERSION);
    }
    return 0;
  }
  return procctl::run::Run(std::get<procctl::run::Options>(parsed));
}
