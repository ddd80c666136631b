#include "cli/run.h"

#include <optional>

#include "cli/client.h"
#include "cli/commands.h"

namespace procctl::cli {

ExitCode Run(const std::vector<std::string>& arguments, const Environment& environment,
             Screen screen, const WatchInterrupt& watch_interrupt) {
  Parsed parsed = ParseOptions(arguments, environment);
  screen.set_output(parsed.output);
  if (!parsed.refusal.ok()) return screen.Fail(ExitCode::kUsage, parsed.refusal);
  if (!parsed.options) {
    screen.Print(parsed.text);
    return ExitCode::kOk;
  }
  const Options& options = *parsed.options;
  screen.set_output(options.output);

  // The version of this program is known without a controller.
  if (options.verb == Verb::kVersion && options.connection.controller.empty()) {
    return VersionCommand(options, screen, nullptr);
  }
  if (auto s = CheckConnection(options.connection); !s.ok()) {
    return screen.Fail(ExitCode::kUsage, s);
  }
  auto client = Client::Make(options.connection);
  // Whatever is wrong with the files, it is this side's configuration.
  if (!client.ok()) return screen.Fail(ExitCode::kUsage, client.status());

  switch (options.verb) {
    case Verb::kListSlots:
      return ListSlotsCommand(options, screen, &*client);
    case Verb::kListNodes:
      return ListNodesCommand(options, screen, &*client);
    case Verb::kKill:
      return KillCommand(options, screen, &*client, watch_interrupt);
    case Verb::kEvents:
      return EventsCommand(options, screen, &*client);
    case Verb::kWhy:
      return WhyCommand(options, screen, &*client);
    case Verb::kDescribe:
      return DescribeCommand(options, screen, &*client);
    case Verb::kHold:
    case Verb::kRelease:
      return HoldCommand(options, screen, &*client);
    case Verb::kListPrograms:
      return ProgramsCommand(options, screen, &*client);
    case Verb::kHistory:
      return HistoryCommand(options, screen, &*client);
    case Verb::kLogs:
      return LogsCommand(options, screen, &*client, watch_interrupt);
    case Verb::kStart:
    case Verb::kStop:
    case Verb::kRestart:
    case Verb::kRetry:
      return ControlCommand(options, screen, &*client, watch_interrupt);
    case Verb::kReload:
      return ReloadCommand(options, screen, &*client);
    case Verb::kVersion:
      return VersionCommand(options, screen, &*client);
  }
  return ExitCode::kFailed;
}

}  // namespace procctl::cli
