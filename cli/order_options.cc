#include "cli/order_options.h"

#include <algorithm>

#include "cli/command_help.h"
#include "cli/target.h"
#include "proto/support/duration_text.h"
#include "proto/support/escape.h"
#include "proto/support/time_convert.h"
#include "spdlog/fmt/fmt.h"

namespace procctl::cli {
namespace {

constexpr std::chrono::hours kMostWait{1};

absl::Status ParseWait(std::string_view option, const std::string& text,
                       std::optional<std::chrono::nanoseconds>* out) {
  if (text.empty()) return absl::OkStatus();
  const auto duration = ParseDuration(text);
  if (!duration.ok()) {
    return absl::InvalidArgumentError(
        fmt::format("{}: {}", option, std::string(duration.status().message())));
  }
  if (*duration > kMostWait) {
    return absl::InvalidArgumentError(fmt::format("{}: at most 1h", option));
  }
  *out = *duration;
  return absl::OkStatus();
}

// What nobody can have meant as NODE/SLOT: blank, or with what only a filter has.
bool LooksLikeFilter(const std::string& text) {
  if (text.find_first_not_of(" \t\r\n") == std::string::npos) return true;
  return !ParseTarget(text).ok() && text.find_first_of("=<>*!") != std::string::npos;
}

// What only a controller's plan can do.
bool NeedsPlan(const Options& options) {
  const OrderOptions& order = options.order;
  return !NamesExactTargets(options) || order.max_unavailable || order.batch ||
         order.between_batches || order.recovery_limit || order.halt_percent || order.plan_only ||
         order.confirm;
}

absl::Status CheckKillChoice(const Raw& raw) {
  const Options& options = raw.options;
  if (options.order.by_filter && !options.targets.empty()) {
    return absl::InvalidArgumentError("targets and -l do not go together: use one of them");
  }
  if (!options.order.by_filter && options.targets.empty()) {
    return absl::InvalidArgumentError(
        "targets is required; e.g. procctl-cli kill web-01/encoder, or -l 'node=web-* "
        "name=encoder'");
  }
  for (const std::string& target : options.targets) {
    if (options.targets.size() > 1 && LooksLikeFilter(target)) {
      return absl::InvalidArgumentError(
          fmt::format("\"{}\" is no NODE/SLOT; a filter stands alone, in quotes: -l 'node=web-* "
                      "name=encoder'",
                      Printable(target)));
    }
  }
  if (options.connection.local && NeedsPlan(options)) {
    return absl::InvalidArgumentError(
        "--local stops the targets that are named; filters and paces are a controller's: leave out "
        "--local");
  }
  if (!options.if_incarnation.empty() && !NamesExactTargets(options)) {
    return absl::InvalidArgumentError("--if-incarnation goes with exactly one target");
  }
  return absl::OkStatus();
}

absl::Status CheckOrder(const Options& options) {
  const OrderOptions& order = options.order;
  const int actions = order.pause + order.resume + order.cancel;
  if (actions > 1) {
    return absl::InvalidArgumentError("--pause, --resume and --cancel: use one of them");
  }
  if (order.all != options.targets.empty()) {
    return absl::InvalidArgumentError(
        order.all ? "an order and --all do not go together: use one of them"
                  : "order needs an id, or --all with --pause or --cancel; `procctl-cli orders` "
                    "shows what there is");
  }
  if (order.all && !order.pause && !order.cancel) {
    return absl::InvalidArgumentError("--all goes with --pause or --cancel");
  }
  return absl::OkStatus();
}

}  // namespace

void AddPlanOptions(CLI::App* kill, Raw* raw) {
  OrderOptions* order = &raw->options.order;
  kill->add_option_function<std::string>(
      "-l,--filter",
      [raw](const std::string& filter) {
        raw->options.target_filter = filter;
        raw->options.order.by_filter = true;
      },
      "All slots that match (procctl-cli help filters)");
  kill->add_option("--max-unavailable", order->max_unavailable,
                   "At most so many stopped and not yet back at a time")
      ->check(CLI::Range(1, 10'000));
  kill->add_option("--batch", order->batch, "In batches of so many, each waits for the one before")
      ->check(CLI::Range(1, 10'000));
  kill->add_option("--pause", raw->pause, "Between two batches (30s)");
  kill->add_option("--recovery-limit", raw->recovery_limit,
                   "What is not back within it has failed (5m; 0s: wait for nobody)");
  kill->add_option("--halt-percent", order->halt_percent,
                   "Halt when more of a batch has failed (20; 100: never)")
      ->check(CLI::Range(0, 100));
  kill->add_flag("--plan", order->plan_only, "Show what would be done, signal nobody");
  kill->add_option("--confirm", order->confirm,
                   "The exact number of targets, where that is asked for")
      ->check(CLI::Range(1, 10'000));
}

std::vector<CommandVerb> AddOrderCommands(CLI::App* app, Raw* raw) {
  OrderOptions* order = &raw->options.order;
  CLI::App* one = app->add_subcommand("order", "Follow an order to stop, or pause or cancel it");
  one->add_option("id", raw->options.targets, "Its id, from kill or `orders`")->expected(0, 1);
  one->add_flag("--pause", order->pause, "Send nothing more for now");
  one->add_flag("--resume", order->resume, "Go on");
  one->add_flag("--cancel", order->cancel, "Send nothing more, for good");
  one->add_flag("--all", order->all, "Every order that runs, with --pause or --cancel");
  one->add_option("--reason", raw->options.reason, "Why, for the record");
  one->footer(kOrderFooter);
  CLI::App* list = app->add_subcommand("orders", "Orders to stop, the newest first");
  list->add_flag("--running", order->only_running, "Only those that have not ended");
  list->add_option("-n,--newest", raw->newest, "At most so many (50)")
      ->check(CLI::Range(1, 1'000'000));
  return {{one, Verb::kOrder}, {list, Verb::kOrders}};
}

absl::Status FinishOrderOptions(Raw* raw) {
  Options* options = &raw->options;
  if (options->verb == Verb::kOrder) return CheckOrder(*options);
  if (options->verb != Verb::kKill) return absl::OkStatus();
  if (auto s = ParseWait("--pause", raw->pause, &options->order.between_batches); !s.ok()) return s;
  if (auto s = ParseWait("--recovery-limit", raw->recovery_limit, &options->order.recovery_limit);
      !s.ok()) {
    return s;
  }
  return CheckKillChoice(*raw);
}

bool NamesExactTargets(const Options& options) {
  return !options.order.by_filter &&
         !(options.targets.size() == 1 && LooksLikeFilter(options.targets.front()));
}

std::string SelectorOf(const Options& options) {
  return options.order.by_filter ? options.target_filter : options.targets.front();
}

bool IsPlanned(const Options& options) { return NeedsPlan(options) || options.targets.size() > 1; }

v1::Pace PaceOf(const Options& options) {
  const OrderOptions& order = options.order;
  v1::Pace pace;
  pace.set_max_unavailable(order.max_unavailable.value_or(0));
  pace.set_batch(order.batch.value_or(0));
  if (order.between_batches) *pace.mutable_pause() = ToProto(*order.between_batches);
  if (order.recovery_limit) *pace.mutable_recovery_limit() = ToProto(*order.recovery_limit);
  if (order.halt_percent) pace.set_halt_percent(*order.halt_percent);
  return pace;
}

}  // namespace procctl::cli
