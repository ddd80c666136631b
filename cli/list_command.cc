#include "cli/commands.h"
#include "cli/json.h"
#include "cli/render.h"
#include "proto/support/escape.h"
#include "proto/support/version.h"
#include "spdlog/fmt/fmt.h"

namespace procctl::cli {
namespace {

constexpr std::chrono::seconds kAnswerTime{10};
// A node that says nothing of usage holds up a list for 2 s.
constexpr std::chrono::seconds kUsageTime{3};

}  // namespace

std::chrono::nanoseconds AnswerTime(const Options& options) {
  return options.timeout.value_or(kAnswerTime);
}

bool WantsUsage(const Options& options) {
  return options.output != Output::kTable && AnswerTime(options) > kUsageTime;
}

ExitCode ListSlotsCommand(const Options& options, const Screen& screen, Client* client) {
  const auto list = client->ListSlots(options.filter, AnswerTime(options), WantsUsage(options));
  if (!list.ok()) return screen.Fail(ExitCodeFor(list.status()), list.status());
  const Columns columns = options.output == Output::kWide ? Columns::kWide : Columns::kUsual;
  screen.Print(screen.json()
                   ? SlotsJson(*list)
                   : RenderSlots(*list, !options.filter.empty(), screen.colour(), columns));
  return ExitCode::kOk;
}

ExitCode ListNodesCommand(const Options& options, const Screen& screen, Client* client) {
  const auto list = client->ListNodes(options.filter, AnswerTime(options));
  if (!list.ok()) return screen.Fail(ExitCodeFor(list.status()), list.status());
  screen.Print(screen.json() ? NodesJson(*list) : RenderNodes(*list, screen.colour()));
  return ExitCode::kOk;
}

ExitCode VersionCommand(const Options& options, const Screen& screen, Client* client) {
  if (!screen.json()) screen.Print(fmt::format("procctl-cli {}\n", kVersion));
  std::string controller = "null";
  ExitCode code = ExitCode::kOk;
  if (client != nullptr) {
    const auto fleet = client->GetFleet(AnswerTime(options));
    if (!fleet.ok()) {
      code = screen.Fail(ExitCodeFor(fleet.status()), fleet.status());
    } else if (screen.json()) {
      controller = JsonObject(*fleet);
    } else {
      screen.Print(fmt::format("controller {} {}, fleet {}; you are {}\n",
                               Printable(fleet->controller_id()),
                               Printable(fleet->software_version()), Printable(fleet->fleet()),
                               Printable(fleet->you())));
    }
  }
  if (screen.json()) {
    screen.Print(fmt::format("{{\"apiVersion\":\"{}\",\"version\":{},\"controller\":{}}}\n",
                             kApiVersion, JsonString(kVersion), controller));
  }
  return code;
}

}  // namespace procctl::cli
