#include "cli/options.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <utility>

#include "cli/command_help.h"
#include "cli/filter.h"
#include "cli/help_topics.h"
#include "cli/local_target.h"
#include "cli/options_raw.h"
#include "cli/order_options.h"
#include "cli/program_options.h"
#include "cli/usage_refusal.h"
#include "proto/support/duration_text.h"
#include "proto/support/escape.h"
#include "proto/support/tls_probe.h"
#include "spdlog/fmt/fmt.h"

namespace procctl::cli {
namespace {

constexpr size_t kMostReasonBytes = 1000;
constexpr size_t kMostTargets = 1000;
constexpr auto kMostGrace = std::chrono::hours(1);
constexpr auto kMostHold = std::chrono::hours(24);

CLI::App* AddList(CLI::App* app, Raw* raw) {
  CLI::App* list = app->add_subcommand("list", "Slots, nodes or programs of the fleet");
  list->add_option("what", raw->what, "slots (default), nodes or programs")
      ->check(CLI::IsMember({"slots", "nodes", "programs"}));
  list->add_option("--node", raw->node, "Only these nodes, e.g. 'web-*'");
  list->add_option("--name", raw->name, "Only slots or programs of these names");
  list->add_option("--state", raw->state, "Only these states, e.g. hung,held");
  AddLabelOption(list, raw);
  list->add_option("--filter", raw->filter, "More terms (procctl-cli help filters)");
  list->footer(kListFooter);
  return list;
}

CLI::App* AddCount(CLI::App* app, Raw* raw) {
  CLI::App* count = app->add_subcommand("count", "How many slots there are, by one or two keys");
  count->add_option("filter", raw->filter, "Only slots that match (procctl-cli help filters)");
  count
      ->add_option("--by", raw->options.group_by,
                   "node, state, name, program, door, uid or freshness; two of them as in "
                   "state,node")
      ->delimiter(',')
      ->expected(1, 2);
  count->add_option("--limit", raw->options.limit, "The largest so many groups (100)")
      ->check(CLI::Range(1, 1000));
  count->footer(kCountFooter);
  return count;
}

CLI::App* AddKill(CLI::App* app, Raw* raw) {
  CLI::App* kill = app->add_subcommand("kill", "Stop processes: SIGTERM, grace, SIGKILL");
  kill->add_option("targets", raw->options.targets, "NODE/SLOT or NODE:PID");
  kill->add_option("--reason", raw->options.reason, "Why, for the record");
  kill->add_option("--grace", raw->grace, "Between SIGTERM and SIGKILL (default: the node's own)");
  kill->add_flag("--dry-run", raw->options.dry_run, "Show the targets, signal nobody");
  kill->add_flag("-y,--yes", raw->options.yes, "Do not ask");
  kill->add_option("--if-incarnation", raw->options.if_incarnation,
                   "Only this one: \"id\" from `list -o json`");
  AddPlanOptions(kill, raw);
  kill->footer(kKillFooter);
  return kill;
}

CLI::App* AddEvents(CLI::App* app, Raw* raw) {
  CLI::App* events = app->add_subcommand("events", "What happened: hangs, kills, nodes lost");
  events->add_option("terms", raw->terms, "A filter (procctl-cli help filters)");
  events->add_flag("-f,--follow", raw->options.follow, "Go on with what happens from now on");
  events->add_option("--since", raw->since, "Only those of the last ... (10m, 2h)");
  events->add_option("--node", raw->node, "Only of these nodes");
  events->add_option("--slot", raw->slot, "Only of this slot: SLOT or NODE/SLOT");
  events->add_option("--program", raw->program, "Only of this program: PROGRAM or NODE/PROGRAM");
  events->add_option("--kind", raw->kind, "Only these kinds, e.g. verdict,hung");
  events->add_option("--filter", raw->filter, "More terms (procctl-cli help filters)");
  events->add_option("-n,--newest", raw->newest, "At most so many, the newest")
      ->check(CLI::Range(1, 1'000'000));
  events->footer(kEventsFooter);
  return events;
}

CLI::App* AddWatch(CLI::App* app, Raw* raw) {
  CLI::App* watch = app->add_subcommand("watch", "Slots and nodes as they change");
  watch->add_option("terms", raw->terms, "A filter (procctl-cli help filters)");
  watch->add_option("--node", raw->node, "Only these nodes, e.g. 'web-*'");
  watch->add_option("--name", raw->name, "Only slots of these names");
  watch->add_option("--state", raw->state, "Only while in these states, e.g. hung,held");
  watch->add_option("--filter", raw->filter, "More terms (procctl-cli help filters)");
  watch->footer(kWatchFooter);
  return watch;
}

CLI::App* AddWhy(CLI::App* app, Raw* raw) {
  CLI::App* why = app->add_subcommand("why", "Why a process was stopped, or is as it is");
  why->add_option("target", raw->options.targets, "NODE/SLOT, NODE:PID, or an event's ID")
      ->required()
      ->expected(1);
  why->footer(kWhyFooter);
  return why;
}

CLI::App* AddDescribe(CLI::App* app, Raw* raw) {
  CLI::App* describe = app->add_subcommand("describe", "All there is to know of a slot or a node");
  describe->add_option("target", raw->options.targets, "NODE/SLOT, NODE:PID or NODE")
      ->required()
      ->expected(1);
  describe->footer(kDescribeFooter);
  return describe;
}

CLI::App* AddHold(CLI::App* app, Raw* raw) {
  CLI::App* hold = app->add_subcommand("hold", "Keep slots from being stopped for a while");
  hold->add_option("targets", raw->options.targets, "NODE/SLOT or NODE:PID");
  hold->add_option("-l,--filter", raw->options.target_filter,
                   "All slots that match (procctl-cli help filters)");
  hold->add_option("--for", raw->hold_for, "How long: 30m, 2h; at most 24h");
  hold->add_option("--reason", raw->options.reason, "Why, for everybody who sees it held");
  hold->add_flag("-y,--yes", raw->options.yes, "Do not ask");
  hold->footer(kHoldFooter);
  return hold;
}

CLI::App* AddRelease(CLI::App* app, Raw* raw) {
  CLI::App* release = app->add_subcommand("release", "End holds");
  release->add_option("targets", raw->options.targets, "NODE/SLOT or NODE:PID");
  release->add_option("-l,--filter", raw->options.target_filter,
                      "All slots that match (procctl-cli help filters)");
  release->add_option("--reason", raw->options.reason, "Why, for the record");
  release->add_flag("-y,--yes", raw->options.yes, "Do not ask");
  release->footer(kReleaseFooter);
  return release;
}

CLI::App* AddNodes(CLI::App* app, Raw* raw) {
  CLI::App* nodes = app->add_subcommand("nodes", "Nodes of the fleet, as `list nodes`");
  nodes->add_option("--node", raw->node, "Only these, e.g. 'web-*'");
  nodes->add_option("--state", raw->state, "Only these states, e.g. suspect,lost");
  nodes->add_option("--filter", raw->filter, "More terms (procctl-cli help filters)");
  nodes->footer(kNodesFooter);
  return nodes;
}

CLI::App* AddForget(CLI::App* app, Raw* raw) {
  CLI::App* forget = app->add_subcommand("forget", "Take a node that will not come back out");
  forget->add_option("node", raw->options.targets, "NODE")->required()->expected(1);
  forget->add_option("--reason", raw->options.reason, "Why, for the record");
  forget->footer(kForgetFooter);
  return forget;
}

void AddConnection(CLI::App* app, Raw* raw) {
  Connection* connection = &raw->options.connection;
  app->add_option("--controller", connection->controller, "HOST:PORT [PROCCTL_CONTROLLER]");
  app->add_option("--ca", connection->tls.ca, "Certificate of the fleet's CA [PROCCTL_CA]");
  app->add_option("--cert", connection->tls.cert, "Your certificate [PROCCTL_CERT]");
  app->add_option("--key", connection->tls.key, "Your private key [PROCCTL_KEY]");
  app->add_option("--server-name", connection->server_name,
                  "Name in the controller's certificate [PROCCTL_SERVER_NAME]");
  app->add_flag("--local", connection->local,
                "Ask this host's own node, without a controller (procctl-cli help local)");
  app->add_option("--runtime-dir", connection->runtime_dir,
                  "With --local: the node's runtime_dir (/run/procctl; of a plain user's node "
                  "$XDG_RUNTIME_DIR/procctl)");
  app->add_option("-o,--output", raw->output, "table, wide (of list and programs) or json")
      ->check(CLI::IsMember({"table", "wide", "json"}));
  app->add_option(
      "--timeout", raw->timeout,
      "Wait at most so long for an answer (10s; hold, start ...: 30s; kill: 60s and the "
      "grace)");
}

absl::Status ParsePositive(std::string_view option, const std::string& text,
                           std::optional<std::chrono::nanoseconds>* out) {
  if (text.empty()) return absl::OkStatus();
  const auto duration = ParseDuration(text);
  if (!duration.ok()) {
    return absl::InvalidArgumentError(
        fmt::format("{}: {}", option, std::string(duration.status().message())));
  }
  if (*duration <= std::chrono::nanoseconds(0)) {
    return absl::InvalidArgumentError(fmt::format("{}: must be greater than zero", option));
  }
  *out = *duration;
  return absl::OkStatus();
}

absl::Status CheckTargetsAndReason(const Options& options, std::string_view verb) {
  if (options.targets.size() > kMostTargets) {
    return absl::InvalidArgumentError(
        fmt::format("{} targets are more than the {} that one {} may have", options.targets.size(),
                    kMostTargets, verb));
  }
  if (options.reason.size() > kMostReasonBytes) {
    return absl::InvalidArgumentError(
        fmt::format("--reason: {} bytes; at most {}", options.reason.size(), kMostReasonBytes));
  }
  return absl::OkStatus();
}

absl::Status CheckKill(const Options& options) {
  if (auto s = CheckTargetsAndReason(options, "kill"); !s.ok()) return s;
  if (options.grace && *options.grace > kMostGrace) {
    return absl::InvalidArgumentError("--grace: at most 1h");
  }
  if (!options.if_incarnation.empty() && options.targets.size() != 1) {
    return absl::InvalidArgumentError("--if-incarnation goes with exactly one target");
  }
  return absl::OkStatus();
}

bool IsBlank(const std::string& text) {
  return text.find_first_not_of(" \t\r\n") == std::string::npos;
}

absl::Status CheckHold(const Options& options) {
  const bool release = options.verb == Verb::kRelease;
  const std::string_view verb = release ? "release" : "hold";
  if (auto s = CheckTargetsAndReason(options, verb); !s.ok()) return s;
  if (options.targets.empty() && IsBlank(options.target_filter)) {
    return absl::InvalidArgumentError(
        fmt::format("{} needs NODE/SLOT, or -l with a filter such as 'node=web-* name=encoder'; an "
                    "empty filter is refused, 'node=*' means everything",
                    verb));
  }
  if (!options.targets.empty() && !options.target_filter.empty()) {
    return absl::InvalidArgumentError("targets and -l do not go together: use one of them");
  }
  if (release) return absl::OkStatus();
  if (!options.hold_for) {
    return absl::InvalidArgumentError("--for is required: a hold ends by itself, e.g. --for 30m");
  }
  if (*options.hold_for > kMostHold) return absl::InvalidArgumentError("--for: at most 24h");
  if (IsBlank(options.reason)) {
    return absl::InvalidArgumentError(
        "--reason is required: whoever sees the hold must learn why, e.g. --reason \"debugging\"");
  }
  return absl::OkStatus();
}

absl::Status Check(const Options& options) {
  switch (options.verb) {
    case Verb::kKill:
      return CheckKill(options);
    case Verb::kHold:
    case Verb::kRelease:
      return CheckHold(options);
    case Verb::kListSlots:
    case Verb::kListNodes:
    case Verb::kCount:
    case Verb::kEvents:
    case Verb::kWatch:
    case Verb::kVersion:
    case Verb::kWhy:
    case Verb::kDescribe:
    case Verb::kListPrograms:
    case Verb::kHistory:
    case Verb::kLogs:
    case Verb::kOrders:
      return absl::OkStatus();
    case Verb::kOrder:
      return CheckTargetsAndReason(options, "order");
    case Verb::kStart:
    case Verb::kStop:
    case Verb::kRestart:
    case Verb::kRetry:
    case Verb::kReload:
      return CheckTargetsAndReason(options, "order");
    case Verb::kForget:
      return CheckTargetsAndReason(options, "forget");
  }
  return absl::OkStatus();
}

// NODE/NAME names the node as well; a name of its own may hold a slash only behind one.
void AddWithNode(std::string_view key, const std::string& text, FilterBuilder* filter) {
  const size_t slash = text.find('/');
  const bool with_node = slash != std::string::npos;
  filter->Add("node", with_node ? text.substr(0, slash) : "")
      .Add(key, with_node ? text.substr(slash + 1) : text);
}

absl::Status BuildFilter(const Raw& raw, Options* options) {
  if (!raw.labels.empty() &&
      (options->verb == Verb::kListSlots || options->verb == Verb::kListNodes)) {
    return absl::InvalidArgumentError("-l: labels are of programs; use: procctl-cli list programs");
  }
  std::string labels;
  if (auto s = LabelTerms(raw.labels, &labels); !s.ok()) return s;
  FilterBuilder filter;
  filter.Add("node", raw.node).Add("name", raw.name).Add("state", raw.state).Add("kind", raw.kind);
  AddWithNode("slot", raw.slot, &filter);
  AddWithNode("program", raw.program, &filter);
  filter.AddTerms(labels).AddTerms(raw.filter);
  for (const std::string& terms : raw.terms) filter.AddTerms(terms);
  options->filter = filter.text();
  return absl::OkStatus();
}

absl::Status Finish(const Environment& environment, Raw* raw) {
  Options* options = &raw->options;
  options->output = raw->output == "json"   ? Output::kJson
                    : raw->output == "wide" ? Output::kWide
                                            : Output::kTable;
  if (auto s = ParsePositive("--timeout", raw->timeout, &options->timeout); !s.ok()) return s;
  if (auto s = ParsePositive("--grace", raw->grace, &options->grace); !s.ok()) return s;
  if (auto s = ParsePositive("--since", raw->since, &options->since); !s.ok()) return s;
  if (auto s = ParsePositive("--for", raw->hold_for, &options->hold_for); !s.ok()) return s;
  if (auto s = ParsePositive("--wait-timeout", raw->wait_timeout, &options->wait_timeout);
      !s.ok()) {
    return s;
  }
  if (raw->newest > 0) options->newest = raw->newest;
  if (auto s = BuildFilter(*raw, options); !s.ok()) return s;
  if (auto s = FinishProgramOptions(raw); !s.ok()) return s;
  if (auto s = FinishOrderOptions(raw); !s.ok()) return s;
  // Before the environment names a controller: who types --local means it.
  if (auto s = CheckLocal(*options); !s.ok()) return s;
  const auto fall_back = [&](std::string* value, const char* variable) {
    if (value->empty()) *value = environment(variable);
  };
  Connection* connection = &options->connection;
  fall_back(&connection->controller, "PROCCTL_CONTROLLER");
  fall_back(&connection->tls.ca, "PROCCTL_CA");
  fall_back(&connection->tls.cert, "PROCCTL_CERT");
  fall_back(&connection->tls.key, "PROCCTL_KEY");
  fall_back(&connection->server_name, "PROCCTL_SERVER_NAME");
  return Check(*options);
}

// Before anything is parsed: even a refusal of the command line comes as JSON to who asked for
// JSON.
Output OutputAskedFor(const std::vector<std::string>& arguments) {
  for (size_t i = 0; i < arguments.size(); ++i) {
    const std::string& a = arguments[i];
    const bool next = i + 1 < arguments.size() && arguments[i + 1] == "json";
    if (((a == "-o" || a == "--output") && next) || a == "-ojson" || a == "--output=json") {
      return Output::kJson;
    }
  }
  return Output::kTable;
}

}  // namespace

Parsed ParseOptions(const std::vector<std::string>& arguments, const Environment& environment) {
  Parsed parsed;
  parsed.output = OutputAskedFor(arguments);
  Raw raw;
  CLI::App app("Shows and stops the processes of a procctl fleet.", "procctl-cli");
  app.require_subcommand(0, 1);
  app.footer(kFooter);
  app.set_help_flag("-h,--help", "This text");
  AddConnection(&app, &raw);
  const CLI::App* list = AddList(&app, &raw);
  const CLI::App* count = AddCount(&app, &raw);
  const CLI::App* kill = AddKill(&app, &raw);
  const CLI::App* events = AddEvents(&app, &raw);
  const CLI::App* watch = AddWatch(&app, &raw);
  const CLI::App* why = AddWhy(&app, &raw);
  const CLI::App* describe = AddDescribe(&app, &raw);
  const CLI::App* hold = AddHold(&app, &raw);
  const CLI::App* release = AddRelease(&app, &raw);
  const CLI::App* nodes = AddNodes(&app, &raw);
  const CLI::App* forget = AddForget(&app, &raw);
  const std::vector<CommandVerb> order_verbs = AddOrderCommands(&app, &raw);
  const std::vector<CommandVerb> program_verbs = AddProgramCommands(&app, &raw);
  const CLI::App* version = app.add_subcommand("version",
                                               "Versions of this program and, if one is "
                                               "named, of the controller");
  CLI::App* help = app.add_subcommand("help", "Help, or help on a topic");
  help->add_option("topic", raw.topic, std::string(kTopics) + ", or a command");
  // Options of the connection may stand on either side of the command.
  for (CLI::App* command : app.get_subcommands({})) command->fallthrough();

  try {
    // CLI11 takes the arguments from the back.
    app.parse(std::vector<std::string>(arguments.rbegin(), arguments.rend()));
  } catch (const CLI::CallForHelp&) {
    const auto chosen = app.get_subcommands();
    parsed.text = chosen.empty() ? app.help() : chosen.front()->help("procctl-cli");
    return parsed;
  } catch (const CLI::ParseError& e) {
    parsed.refusal = absl::InvalidArgumentError(UsageRefusal(app, arguments, e));
    return parsed;
  }

  if (app.get_subcommands().empty() || (app.got_subcommand(help) && raw.topic.empty())) {
    // app.help() would be that of "help" itself.
    parsed.text = app.get_formatter()->make_help(&app, "procctl-cli", CLI::AppFormatMode::Normal);
    return parsed;
  }
  if (app.got_subcommand(help)) {
    parsed.text = std::string(HelpTopic(raw.topic));
    if (!parsed.text.empty()) return parsed;
    for (const CLI::App* command : app.get_subcommands({})) {
      if (command->get_name() == raw.topic) parsed.text = command->help("procctl-cli");
    }
    if (parsed.text.empty()) {
      parsed.refusal = absl::InvalidArgumentError(
          fmt::format("there is no help on \"{}\"; topics: {}", Printable(raw.topic), kTopics));
    }
    return parsed;
  }
  std::vector<CommandVerb> verbs = {{list, raw.what == "nodes"      ? Verb::kListNodes
                                           : raw.what == "programs" ? Verb::kListPrograms
                                                                    : Verb::kListSlots},
                                    {count, Verb::kCount},
                                    {kill, Verb::kKill},
                                    {events, Verb::kEvents},
                                    {watch, Verb::kWatch},
                                    {why, Verb::kWhy},
                                    {describe, Verb::kDescribe},
                                    {hold, Verb::kHold},
                                    {release, Verb::kRelease},
                                    {nodes, Verb::kListNodes},
                                    {forget, Verb::kForget},
                                    {version, Verb::kVersion}};
  verbs.insert(verbs.end(), program_verbs.begin(), program_verbs.end());
  verbs.insert(verbs.end(), order_verbs.begin(), order_verbs.end());
  for (const auto& [command, verb] : verbs) {
    if (app.got_subcommand(command)) raw.options.verb = verb;
  }
  parsed.refusal = Finish(environment, &raw);
  if (parsed.refusal.ok()) parsed.options = std::move(raw.options);
  return parsed;
}

absl::Status CheckConnection(const Connection& connection) {
  const struct {
    const std::string& value;
    std::string_view option;
    std::string_view variable;
    std::string_view meaning;
  } needed[] = {{connection.controller, "--controller", "PROCCTL_CONTROLLER", "HOST:PORT"},
                {connection.tls.ca, "--ca", "PROCCTL_CA", "ca.crt of the fleet"},
                {connection.tls.cert, "--cert", "PROCCTL_CERT", "your cert.pem"},
                {connection.tls.key, "--key", "PROCCTL_KEY", "your key.pem"}};
  std::string missing;
  for (const auto& need : needed) {
    if (!need.value.empty()) continue;
    missing += fmt::format("\n  {:<13} or {:<18}  {}", need.option, need.variable, need.meaning);
  }
  if (!missing.empty()) {
    return absl::FailedPreconditionError(
        fmt::format("it is not known how to reach the controller. Missing:{}\n`procctl-controller "
                    "init` makes the files and prints the lines to set these variables.",
                    missing));
  }
  std::string host;
  std::string port;
  return SplitAddress(connection.controller, &host, &port);
}

}  // namespace procctl::cli
