// The commands. Each writes to the screen and returns the exit code; `client` is not owned.
#pragma once

#include <chrono>
#include <functional>
#include <stop_token>

#include "cli/client.h"
#include "cli/exit_code.h"
#include "cli/options.h"
#include "cli/screen.h"

namespace procctl::cli {

struct ProgramPlan;

// Called once, when something is about to be waited for: its token says when to stop waiting.
using WatchInterrupt = std::function<std::stop_token()>;

ExitCode ListSlotsCommand(const Options& options, const Screen& screen, Client* client);
ExitCode ListNodesCommand(const Options& options, const Screen& screen, Client* client);
ExitCode CountCommand(const Options& options, const Screen& screen, Client* client);
// `watch_interrupt` is for --follow.
ExitCode EventsCommand(const Options& options, const Screen& screen, Client* client,
                       const WatchInterrupt& watch_interrupt);

ExitCode WatchCommand(const Options& options, const Screen& screen, Client* client,
                      const WatchInterrupt& watch_interrupt);

ExitCode WhyCommand(const Options& options, const Screen& screen, Client* client);
ExitCode DescribeCommand(const Options& options, const Screen& screen, Client* client);

// `options.verb` says whether to hold or to release.
ExitCode HoldCommand(const Options& options, const Screen& screen, Client* client);

ExitCode KillCommand(const Options& options, const Screen& screen, Client* client,
                     const WatchInterrupt& watch_interrupt);

// Its course by a plan: several targets, a filter, a pace.
ExitCode PlannedKillCommand(const Options& options, const Screen& screen, Client* client,
                            const WatchInterrupt& watch_interrupt);

ExitCode OrderCommand(const Options& options, const Screen& screen, Client* client,
                      const WatchInterrupt& watch_interrupt);
ExitCode OrdersCommand(const Options& options, const Screen& screen, Client* client);

ExitCode ProgramsCommand(const Options& options, const Screen& screen, Client* client);
ExitCode HistoryCommand(const Options& options, const Screen& screen, Client* client);
ExitCode ReloadCommand(const Options& options, const Screen& screen, Client* client);

ExitCode ForgetCommand(const Options& options, const Screen& screen, Client* client);

ExitCode LogsCommand(const Options& options, const Screen& screen, Client* client,
                     const WatchInterrupt& watch_interrupt);

// start, stop, restart, retry: `options.verb` says which.
ExitCode ControlCommand(const Options& options, const Screen& screen, Client* client,
                        const WatchInterrupt& watch_interrupt);

// Its rolling restart, of what has been agreed to.
ExitCode RollingCommand(const Options& options, const ProgramPlan& plan, const Screen& screen,
                        Client* client, const WatchInterrupt& watch_interrupt);

// `client` is null where no controller is named.
ExitCode VersionCommand(const Options& options, const Screen& screen, Client* client);

// How long the controller may take for one answer, or one page of it.
std::chrono::nanoseconds AnswerTime(const Options& options);

// What processes use costs each node some work: only where it is shown, and where there is the time
// for it.
bool WantsUsage(const Options& options);

}  // namespace procctl::cli
