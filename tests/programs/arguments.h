// The command line of the test programs: "--name value" pairs.
#pragma once

#include <string>

namespace procctl::programs {

// The value after `--name` in argv; `fallback` if the option is not there. A wrong command line
// ends the program with status 2 and a line on stderr.
std::string TextArgument(int argc, char** argv, const char* name, const char* fallback = nullptr);

// The same for a whole number from `lowest` to 2^31-1.
int NumberArgument(int argc, char** argv, const char* name, int lowest, int fallback);

// Says on stdout, flushed, whether procctl_open guarded the program: its result is `error`.
void PrintReady(int error);

}  // namespace procctl::programs
