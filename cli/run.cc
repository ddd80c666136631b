#include "cli/run.h"

#include <unistd.h>

#include <memory>
#include <utility>

#include "cli/commands.h"
#include "cli/controller_client.h"
#include "cli/local_client.h"
#include "cli/local_target.h"
#include "spdlog/fmt/fmt.h"

namespace procctl::cli {
namespace {

bool Exists(const std::string& path) { return access(path.c_str(), F_OK) == 0; }

std::string LocalSocketOf(const Options& options, const Environment& environment) {
  return LocalSocketPath(options.connection.runtime_dir, geteuid() == 0, environment, Exists);
}

// Who is asked, or why nobody can be. Targets get the node's name where it may be left out.
absl::StatusOr<std::unique_ptr<Client>> ClientFor(const Environment& environment,
                                                  Options* options) {
  if (options->connection.local) {
    auto local = LocalClient::Make(LocalSocketOf(*options, environment), AnswerTime(*options));
    if (!local.ok()) return local.status();
    if (auto s = AddNode((*local)->node(), options); !s.ok()) return s;
    return std::unique_ptr<Client>(*std::move(local));
  }
  absl::Status status = CheckConnection(options->connection);
  if (status.ok()) return ControllerClient::Make(options->connection);
  const bool node_here =
      options->connection.controller.empty() && Exists(LocalSocketOf(*options, environment));
  if (!node_here) return status;
  return absl::Status(status.code(),
                      fmt::format("{}\nThe node of this host can be asked without a controller, by "
                                  "root and by the user it runs as: procctl-cli --local ...",
                                  std::string(status.message())));
}

ExitCode Carry(const Options& options, const Screen& screen, Client* client,
               const WatchInterrupt& watch_interrupt) {
  switch (options.verb) {
    case Verb::kListSlots:
      return ListSlotsCommand(options, screen, client);
    case Verb::kListNodes:
      return ListNodesCommand(options, screen, client);
    case Verb::kKill:
      return KillCommand(options, screen, client, watch_interrupt);
    case Verb::kCount:
      return CountCommand(options, screen, client);
    case Verb::kEvents:
      return EventsCommand(options, screen, client, watch_interrupt);
    case Verb::kWatch:
      return WatchCommand(options, screen, client, watch_interrupt);
    case Verb::kWhy:
      return WhyCommand(options, screen, client);
    case Verb::kDescribe:
      return DescribeCommand(options, screen, client);
    case Verb::kHold:
    case Verb::kRelease:
      return HoldCommand(options, screen, client);
    case Verb::kListPrograms:
      return ProgramsCommand(options, screen, client);
    case Verb::kHistory:
      return HistoryCommand(options, screen, client);
    case Verb::kLogs:
      return LogsCommand(options, screen, client, watch_interrupt);
    case Verb::kStart:
    case Verb::kStop:
    case Verb::kRestart:
    case Verb::kRetry:
      return ControlCommand(options, screen, client, watch_interrupt);
    case Verb::kReload:
      return ReloadCommand(options, screen, client);
    case Verb::kForget:
      return ForgetCommand(options, screen, client);
    case Verb::kOrder:
      return OrderCommand(options, screen, client, watch_interrupt);
    case Verb::kOrders:
      return OrdersCommand(options, screen, client);
    case Verb::kVersion:
      return VersionCommand(options, screen, client);
  }
  return ExitCode::kFailed;
}

}  // namespace

ExitCode Run(const std::vector<std::string>& arguments, const Environment& environment,
             Screen screen, const WatchInterrupt& watch_interrupt) {
  Parsed parsed = ParseOptions(arguments, environment);
  screen.set_output(parsed.output);
  if (!parsed.refusal.ok()) return screen.Fail(ExitCode::kUsage, parsed.refusal);
  if (!parsed.options) {
    screen.Print(parsed.text);
    return ExitCode::kOk;
  }
  Options& options = *parsed.options;
  screen.set_output(options.output);

  // The version of this program is known without anybody else.
  const bool nobody_named = options.connection.controller.empty() || options.connection.local;
  if (options.verb == Verb::kVersion && nobody_named) {
    return VersionCommand(options, screen, nullptr);
  }
  const bool local = options.connection.local;
  auto client = ClientFor(environment, &options);
  // Whatever is wrong with the files of a connection, it is this side's configuration.
  if (!client.ok()) {
    return screen.Fail(local ? ExitCodeFor(client.status()) : ExitCode::kUsage, client.status());
  }
  return Carry(options, screen, client->get(), watch_interrupt);
}

}  // namespace procctl::cli
