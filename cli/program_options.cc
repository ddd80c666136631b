#include "cli/program_options.h"

#include <charconv>

#include "cli/command_help.h"
#include "cli/filter.h"
#include "proto/support/escape.h"
#include "spdlog/fmt/fmt.h"

namespace procctl::cli {
namespace {

constexpr int kMostDeaths = 1000;
constexpr int kUsualDeaths = 20;
constexpr int kMostTail = 1'000'000;
constexpr int kWhole = 100;

CLI::App* AddPrograms(CLI::App* app, Raw* raw) {
  CLI::App* programs = app->add_subcommand("programs", "Programs that nodes start and keep");
  programs->add_option("targets", raw->options.targets, "Only these: NODE or NODE/PROGRAM");
  AddLabelOption(programs, raw);
  programs->add_option("--state", raw->state, "Only these states, e.g. backoff,parked");
  programs->add_option("--filter", raw->filter, "More terms (procctl-cli help filters)");
  programs->footer(kProgramsFooter);
  return programs;
}

CLI::App* AddHistory(CLI::App* app, Raw* raw) {
  CLI::App* history = app->add_subcommand("history", "How a program ended, each time, and why");
  history->add_option("target", raw->options.targets, "NODE/PROGRAM")->required()->expected(1);
  history->add_option("-n,--newest", raw->newest, "At most so many, the newest (20)")
      ->check(CLI::Range(1, kMostDeaths));
  history->add_flag("--all", raw->all, "The newest 1000");
  history->add_flag("--stderr", raw->options.of_stderr, "With the last it wrote to stderr");
  history->footer(kHistoryFooter);
  return history;
}

CLI::App* AddLogs(CLI::App* app, Raw* raw) {
  CLI::App* logs = app->add_subcommand("logs", "What a program wrote");
  logs->add_option("target", raw->options.targets, "NODE/PROGRAM")->required()->expected(1);
  logs->add_flag("-f,--follow", raw->options.follow, "Go on with what it writes from now on");
  logs->add_option("--tail", raw->options.tail, "Begin so many lines before the end (50)")
      ->check(CLI::Range(0, kMostTail));
  logs->add_flag("--stderr", raw->options.of_stderr, "Its stderr instead of its stdout");
  logs->footer(kLogsFooter);
  return logs;
}

CLI::App* AddControl(CLI::App* app, Raw* raw, const char* verb, const char* what,
                     const char* footer) {
  CLI::App* control = app->add_subcommand(verb, what);
  control->add_option("targets", raw->options.targets, "NODE/PROGRAM");
  AddLabelOption(control, raw);
  control->add_option("--filter", raw->filter, "All that match (procctl-cli help filters)");
  control->add_option("--reason", raw->options.reason, "Why, for the record");
  control->add_flag("-y,--yes", raw->options.yes, "Do not ask");
  CLI::Option* wait = control->add_flag(
      "--wait", [](int64_t) {}, "Until it runs or is stopped, or failed (default)");
  control->add_flag("--no-wait", raw->no_wait, "Only until its node has the order")->excludes(wait);
  control->add_option("--wait-timeout", raw->wait_timeout, "Wait at most so long for each (2m)");
  control->footer(footer);
  return control;
}

CLI::App* AddReload(CLI::App* app, Raw* raw) {
  CLI::App* reload = app->add_subcommand("reload", "Have nodes read their configuration again");
  reload->add_option("targets", raw->options.targets, "NODE");
  reload->add_option("--reason", raw->options.reason, "Why, for the record");
  reload->add_flag("-y,--yes", raw->options.yes, "Do not ask");
  reload->footer(kReloadFooter);
  return reload;
}

absl::Status ParseShare(const std::string& text, std::optional<Share>* out) {
  if (text.empty()) return absl::OkStatus();
  Share share;
  const char* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, share.number);
  share.percent = rest + 1 == end && *rest == '%';
  const bool whole = error == std::errc() && (rest == end || share.percent);
  if (!whole || share.number < 1 || (share.percent && share.number > kWhole)) {
    return absl::InvalidArgumentError(fmt::format(
        "--max-unavailable: \"{}\" is neither a number from 1 nor a share from 1% to 100%",
        Printable(text)));
  }
  *out = share;
  return absl::OkStatus();
}

absl::Status CheckControl(const Raw& raw) {
  const Options& options = raw.options;
  if (options.verb == Verb::kReload) {
    if (!options.targets.empty() || options.connection.local) return absl::OkStatus();
    return absl::InvalidArgumentError(
        "reload needs NODE, e.g. procctl-cli reload web-01; with --local it is this host's own "
        "node and may be left out");
  }
  const bool by_filter = options.target_filter.find_first_not_of(" \t\r\n") != std::string::npos;
  if (options.targets.empty() && !by_filter) {
    return absl::InvalidArgumentError(
        "NODE/PROGRAM is needed, or -l with a label such as app=web, or --filter; an empty filter "
        "is refused, --filter 'node=*' means everything");
  }
  if (!options.targets.empty() && !options.target_filter.empty()) {
    return absl::InvalidArgumentError(
        "targets do not go together with -l and --filter: use one of them");
  }
  if (raw.no_wait && options.max_unavailable) {
    return absl::InvalidArgumentError(
        "--max-unavailable waits for each before the next begins: leave out --no-wait");
  }
  return absl::OkStatus();
}

}  // namespace

void AddLabelOption(CLI::App* command, Raw* raw) {
  command
      ->add_option("-l,--label", raw->labels,
                   "All with this label, KEY=VALUE; given again: with all of them")
      ->allow_extra_args(false);
}

std::vector<CommandVerb> AddProgramCommands(CLI::App* app, Raw* raw) {
  std::vector<CommandVerb> verbs;
  verbs.emplace_back(AddPrograms(app, raw), Verb::kListPrograms);
  verbs.emplace_back(AddHistory(app, raw), Verb::kHistory);
  verbs.emplace_back(AddLogs(app, raw), Verb::kLogs);
  verbs.emplace_back(AddControl(app, raw, "start", "Have programs run", kStartFooter),
                     Verb::kStart);
  verbs.emplace_back(AddControl(app, raw, "stop", "Stop programs, and keep them so", kStopFooter),
                     Verb::kStop);
  CLI::App* restart = AddControl(app, raw, "restart", "Stop and start programs", kRestartFooter);
  restart->add_option("--max-unavailable", raw->max_unavailable,
                      "One after another: so many or such a share not running at a time (1, 10%)");
  verbs.emplace_back(restart, Verb::kRestart);
  verbs.emplace_back(
      AddControl(app, raw, "retry", "Start now what waits to be started again", kRetryFooter),
      Verb::kRetry);
  verbs.emplace_back(AddReload(app, raw), Verb::kReload);
  return verbs;
}

absl::Status LabelTerms(const std::vector<std::string>& labels, std::string* terms) {
  FilterBuilder filter;
  for (const std::string& label : labels) {
    const size_t equals = label.find('=');
    if (equals == std::string::npos || equals == 0 || equals + 1 == label.size()) {
      return absl::InvalidArgumentError(
          fmt::format("-l: \"{}\" is not KEY=VALUE, e.g. app=web", Printable(label)));
    }
    if (label[equals - 1] == '!' || label.find(',') != std::string::npos) {
      return absl::InvalidArgumentError(
          fmt::format("-l: \"{}\" holds more than KEY=VALUE; give -l again for a second label, or "
                      "--filter, e.g. --filter 'label!=app=web'",
                      Printable(label)));
    }
    filter.Add("label", label);
  }
  *terms = filter.text();
  return absl::OkStatus();
}

bool ChangesPrograms(Verb verb) {
  return verb == Verb::kStart || verb == Verb::kStop || verb == Verb::kRestart ||
         verb == Verb::kRetry || verb == Verb::kReload;
}

absl::Status FinishProgramOptions(Raw* raw) {
  Options* options = &raw->options;
  if (options->verb == Verb::kHistory) {
    if (raw->all && raw->newest > 0) {
      return absl::InvalidArgumentError("--all and -n do not go together: use one of them");
    }
    if (!options->newest) options->newest = raw->all ? kMostDeaths : kUsualDeaths;
  }
  if (!ChangesPrograms(options->verb)) return absl::OkStatus();
  options->target_filter = std::move(options->filter);
  options->filter.clear();
  options->wait = !raw->no_wait;
  if (auto s = ParseShare(raw->max_unavailable, &options->max_unavailable); !s.ok()) return s;
  return CheckControl(*raw);
}

}  // namespace procctl::cli
