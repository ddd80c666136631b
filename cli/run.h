// The whole program but for the process's own streams and signals.
#pragma once

#include <string>
#include <vector>

#include "cli/commands.h"
#include "cli/exit_code.h"
#include "cli/options.h"
#include "cli/screen.h"

namespace procctl::cli {

// `arguments` without the program's name.
ExitCode Run(const std::vector<std::string>& arguments, const Environment& environment,
             Screen screen, const WatchInterrupt& watch_interrupt);

}  // namespace procctl::cli
