// The command line of procctl-run.
#pragma once

#include <chrono>
#include <string>
#include <variant>
#include <vector>

namespace procctl::run {

// What counts as a sign that the program is well.
enum class Sign {
  kLife,    // it exists and is not stopped
  kCheck,   // a command says so
  kOutput,  // it writes to its stdout
  kNotify,  // it says so itself, as sd_notify(3) has it
};

// Whose word counts with Sign::kNotify.
enum class NotifyAccess {
  kMain,  // the program's own process, or the one it named as its main process
  kAll,   // every process that descends from it
};

struct Options {
  // Empty: not guarded. Only with `every`.
  std::string name;
  std::chrono::milliseconds timeout{0};
  Sign sign = Sign::kLife;
  std::string check;                         // for /bin/sh -c; empty unless kCheck
  std::chrono::milliseconds check_every{0};  // from the start of one check to that of the next
  std::chrono::milliseconds start_grace{0};  // 0: none
  NotifyAccess notify_access = NotifyAccess::kMain;
  // From the end of one run to the start of the next; 0: one run.
  std::chrono::milliseconds every{0};
  bool quiet = false;
  std::vector<std::string> program;  // at least one
};

// The command line asked for a text instead of a run.
enum class Show { kHelp, kVersion };

// Why a command line is refused: fact and what to do, one sentence.
struct BadUsage {
  std::string message;
};

// argv as main has it. Not for more than one thread at a time (getopt).
std::variant<Options, Show, BadUsage> ParseOptions(int argc, char** argv);

extern const char kHelpText[];

}  // namespace procctl::run
