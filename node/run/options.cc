#include "node/run/options.h"

#include <getopt.h>

#include <algorithm>
#include <string_view>

#include "node/run/duration.h"
#include "procctl/heartbeat.h"

namespace procctl::run {

const char kHelpText[] =
    R"(Runs a program and has procctl guard it: for programs that cannot beat themselves.

Usage: procctl-run --name NAME --timeout T [options] -- PROGRAM [ARGUMENT...]
       procctl-run --every T [--name NAME --timeout T [options]] -- PROGRAM [ARGUMENT...]

  --name NAME        what operators see, 1 to 63 bytes
  --timeout T        without a sign of well-being for longer than T the program is hung and stopped
  --check CMD        the sign is that CMD, run by /bin/sh, exits 0; PROCCTL_PID is the program's pid
  --check-every T    how often CMD is run (a third of --timeout, at most 10s, unless given)
  --watch-output     the sign is that the program writes to its stdout
  --notify           the sign is that the program says so itself: it speaks the sd_notify protocol
                     with a watchdog (tor, php-fpm, ...), and finds it as under a service manager
  --notify-access A  who may say so: main (its main process; the default) or all (each process)
  --grace-start T    until the first sign, but no longer than T, the program counts as well
                     (with --notify until READY=1, and 90s unless given)
  --every T          start it again T after each end, 1s to 24h (a plain number means seconds); each
                     run is guarded for itself, if --name and --timeout are given
  --quiet            do not say on stderr whether a guardian is there
  --help, --version

Without --check, --watch-output and --notify the sign is that the program exists and is not stopped
(as by SIGSTOP or a debugger). That does not notice a program that hangs.

T is for example 500ms, 5s, 2m, 1h30m. SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1 and SIGUSR2 are
passed on. The exit code is the program's, 128+N where signal N ended it; 127 where it is not found,
126 where it cannot be run; 2 for a command line that makes no sense. With --every, SIGTERM, SIGINT
or SIGQUIT ends the run and procctl-run with it; in the pause there is no program, and the exit code
is 0. A terminal that goes away ends it too; any other SIGHUP is for a program to reload, and means
nothing in the pause. Only the first run must find its program: later ones try again.

Examples:
  procctl-run --name shop --timeout 30s --check 'curl -fsS localhost:8080/health' -- ./shop.sh
  procctl-run --every 10 -- /usr/local/bin/checkproc /tmp/log/checkproc.log
)";

namespace {

using std::chrono::milliseconds;

constexpr milliseconds kSlowestDefaultCheck{10'000};
// What service managers grant for a start unless told otherwise.
constexpr milliseconds kNotifyStart{90'000};
// Programs beat twice within their limit, and count whole seconds at times.
constexpr milliseconds kLeastNotifyTimeout{1'000};
constexpr milliseconds kLeastEvery{1'000};
constexpr milliseconds kMostEvery{24 * 3'600'000};

enum Option : int {
  kName = 256,
  kTimeout,
  kCheckCommand,
  kCheckEvery,
  kWatchOutput,
  kNotify,
  kNotifyAccess,
  kGraceStart,
  kEvery,
  kQuiet,
  kHelp,
  kVersion,
};

constexpr option kLong[] = {
    {"name", required_argument, nullptr, kName},
    {"timeout", required_argument, nullptr, kTimeout},
    {"check", required_argument, nullptr, kCheckCommand},
    {"check-every", required_argument, nullptr, kCheckEvery},
    {"watch-output", no_argument, nullptr, kWatchOutput},
    {"notify", no_argument, nullptr, kNotify},
    {"notify-access", required_argument, nullptr, kNotifyAccess},
    {"grace-start", required_argument, nullptr, kGraceStart},
    {"every", required_argument, nullptr, kEvery},
    {"quiet", no_argument, nullptr, kQuiet},
    {"help", no_argument, nullptr, kHelp},
    {"version", no_argument, nullptr, kVersion},
    {nullptr, 0, nullptr, 0},
};

// What the options said, before it is known whether they go together.
struct Given {
  Options options;
  bool check_every = false;
  bool check = false;
  bool watch_output = false;
  bool notify = false;
  bool every = false;
  // As given; empty: not.
  std::string notify_access;
};

constexpr char kNoProgram[] = "no program; give it after --, as in -- ./shop.sh --port 80";

// Empty if they do.
std::string WhyNot(const Given& given) {
  const Options& options = given.options;
  if (given.every && (options.every < kLeastEvery || options.every > kMostEvery)) {
    return "--every " + FormatDuration(options.every) +
           " is not between 1s and 24h; give a pause in that range, for example --every 10s";
  }
  if (given.every && options.name.empty()) {
    const bool guarded = options.timeout > milliseconds(0) || options.sign != Sign::kLife ||
                         options.start_grace > milliseconds(0) || given.check_every ||
                         !given.notify_access.empty();
    if (guarded) return "each run is guarded under a name; give --name NAME, 1 to 63 bytes";
    return options.program.empty() ? kNoProgram : "";
  }
  if (options.name.empty()) return "no name; give --name NAME, 1 to 63 bytes";
  if (options.name.size() > PROCCTL_NAME_MAX) {
    return "the name has " + std::to_string(options.name.size()) + " bytes; give at most 63";
  }
  if (options.timeout == milliseconds(0)) {
    return "no timeout; give --timeout T, for example --timeout 30s";
  }
  if (given.check && options.check.empty()) {
    return "--check is empty; give a command, for example --check 'test -e /run/shop.ok'";
  }
  if (int{given.check} + int{given.watch_output} + int{given.notify} > 1) {
    return "--check, --watch-output and --notify are different signs; give one of them";
  }
  if (!given.notify_access.empty() && !given.notify) {
    return "--notify-access goes with --notify; give both";
  }
  if (given.notify && !given.notify_access.empty() && given.notify_access != "main" &&
      given.notify_access != "all") {
    return "--notify-access knows main and all; give one of them";
  }
  if (given.notify && options.timeout < kLeastNotifyTimeout) {
    return "with --notify a --timeout under 1s is shorter than programs can keep; give 2s or more";
  }
  if (given.check_every && !given.check) return "--check-every goes with --check; give both";
  if (given.check && options.check_every >= options.timeout) {
    return "--check-every " + FormatDuration(options.check_every) +
           " leaves no time within --timeout " + FormatDuration(options.timeout) +
           "; give less, a third of it is a good start";
  }
  if (options.start_grace > milliseconds(0) && options.sign == Sign::kLife) {
    return "--grace-start waits for a first sign; give --check, --watch-output or --notify with it";
  }
  return options.program.empty() ? kNoProgram : "";
}

}  // namespace

std::variant<Options, Show, BadUsage> ParseOptions(int argc, char** argv) {
  Given given;
  Options& options = given.options;
  optind = 0;  // Not 1: the C library forgets where in a word it stopped only so.
  opterr = 0;
  // '+': the first word that is no option is the program, even without "--". ':': a missing value
  // is told apart from an unknown option.
  for (int c = 0; (c = getopt_long(argc, argv, "+:h", kLong, nullptr)) != -1;) {
    milliseconds* duration = nullptr;
    switch (c) {
      case kName:
        options.name = optarg;
        break;
      case kTimeout:
        duration = &options.timeout;
        break;
      case kCheckCommand:
        options.check = optarg;
        options.sign = Sign::kCheck;
        given.check = true;
        break;
      case kCheckEvery:
        duration = &options.check_every;
        given.check_every = true;
        break;
      case kWatchOutput:
        options.sign = Sign::kOutput;
        given.watch_output = true;
        break;
      case kNotify:
        options.sign = Sign::kNotify;
        given.notify = true;
        break;
      case kNotifyAccess:
        given.notify_access = optarg;
        break;
      case kGraceStart:
        duration = &options.start_grace;
        break;
      case kEvery:
        duration = &options.every;
        given.every = true;
        break;
      case kQuiet:
        options.quiet = true;
        break;
      case 'h':
      case kHelp:
        return Show::kHelp;
      case kVersion:
        return Show::kVersion;
      case ':':
        return BadUsage{std::string(argv[optind - 1]) + " needs a value"};
      default:
        // optopt: the letter of an unknown short option, which may be one of several in a word.
        return BadUsage{"unknown option '" +
                        (optopt > 0 && optopt < kName ? std::string("-") + static_cast<char>(optopt)
                                                      : std::string(argv[optind - 1])) +
                        "'; options of the program come after --"};
    }
    if (duration == nullptr) continue;
    const bool every = duration == &options.every;
    // As the classic procctl had it.
    const bool seconds =
        every && *optarg != '\0' &&
        std::string_view(optarg).find_first_not_of("0123456789") == std::string_view::npos;
    const auto parsed = ParseDuration(std::string(optarg) + (seconds ? "s" : ""));
    if (!parsed.has_value() || *parsed == milliseconds(0)) {
      return BadUsage{
          "'" + std::string(optarg) + "' is not a duration; write for example " +
          (every ? "10, 90s or 5m, from 1s to 24h" : "500ms, 5s, 2m or 1h, at most 49d")};
    }
    *duration = *parsed;
  }
  options.program.assign(argv + optind, argv + argc);
  if (given.check && !given.check_every) {
    options.check_every = std::clamp(options.timeout / 3, milliseconds(1), kSlowestDefaultCheck);
  }
  if (given.notify && options.start_grace == milliseconds(0)) options.start_grace = kNotifyStart;
  if (given.notify_access == "all") options.notify_access = NotifyAccess::kAll;
  if (std::string why = WhyNot(given); !why.empty()) return BadUsage{std::move(why)};
  return given.options;
}

}  // namespace procctl::run
