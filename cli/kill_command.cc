#include <algorithm>
#include <utility>
#include <vector>

#include "absl/synchronization/notification.h"
#include "absl/time/time.h"
#include "cli/commands.h"
#include "cli/json.h"
#include "cli/render.h"
#include "cli/request_id.h"
#include "cli/target.h"
#include "proto/support/time_convert.h"
#include "spdlog/fmt/fmt.h"

namespace procctl::cli {
namespace {

using std::chrono::nanoseconds;

// Covers a node's own grace (5 s) and the ten seconds it waits for SIGKILL to work.
constexpr std::chrono::seconds kPatience{60};
constexpr std::chrono::milliseconds kBetweenTries{500};

struct Plan {
  std::vector<v1::FleetSlot> rows;  // to show
  std::vector<v1::KillTarget> targets;
  google::protobuf::Timestamp as_of;
};

v1::KillTarget TargetOf(const v1::FleetSlot& row) {
  v1::KillTarget target;
  target.set_node(row.node());
  target.set_slot(row.slot().label());
  *target.mutable_incarnation() = row.slot().incarnation();
  return target;
}

std::string Key(const v1::KillTarget& target) {
  return target.node() + " " + IncarnationText(target.incarnation());
}

// What was typed, as the very processes that the controller shows now.
absl::StatusOr<Plan> MakePlan(const Options& options, Client* client) {
  std::vector<TargetName> names;
  for (const std::string& text : options.targets) {
    auto name = ParseTarget(text);
    if (!name.ok()) return name.status();
    names.push_back(std::move(*name));
  }
  v1::Incarnation pinned;
  if (!options.if_incarnation.empty()) {
    auto incarnation = ParseIncarnation(options.if_incarnation);
    if (!incarnation.ok()) return incarnation.status();
    pinned = std::move(*incarnation);
    if (names[0].pid && *names[0].pid != pinned.pid()) {
      return absl::InvalidArgumentError(
          fmt::format("{} and --if-incarnation name different pids", names[0].ToString()));
    }
  }
  const auto list = client->ListSlots(FilterFor(names), AnswerTime(options));
  if (!list.ok()) return list.status();
  Plan plan;
  plan.as_of = list->as_of;
  std::vector<std::string> missing;
  std::vector<std::string> seen;
  for (const TargetName& name : names) {
    const v1::FleetSlot* row = Match(name, list->slots);
    v1::FleetSlot shown;
    if (row != nullptr) {
      shown = *row;
    } else if (options.if_incarnation.empty()) {
      missing.push_back(name.ToString());
      continue;
    } else {
      // It may have ended since it was seen: the node will say so.
      shown.set_node(name.node);
      shown.mutable_slot()->set_label(name.pid ? fmt::format("pid-{}", *name.pid) : name.slot);
    }
    v1::KillTarget target = TargetOf(shown);
    if (!options.if_incarnation.empty()) *target.mutable_incarnation() = pinned;
    if (std::find(seen.begin(), seen.end(), Key(target)) != seen.end()) continue;
    seen.push_back(Key(target));
    plan.rows.push_back(std::move(shown));
    plan.targets.push_back(std::move(target));
  }
  if (!missing.empty()) {
    return absl::NotFoundError(
        fmt::format("nothing is guarded as {}; nobody was signalled. `procctl-cli list` shows what "
                    "there is",
                    fmt::join(missing, ", ")));
  }
  return plan;
}

std::string TargetsJson(const Plan& plan) {
  std::string out;
  for (size_t i = 0; i < plan.targets.size(); ++i) {
    out += i == 0 ? "\n" : ",\n";
    out += JsonObject(plan.targets[i], IncarnationText(plan.targets[i].incarnation()));
  }
  return out;
}

ExitCode ShowDryRun(const Plan& plan, const Screen& screen) {
  if (screen.json()) {
    screen.Print(fmt::format("{{\"apiVersion\":\"{}\",\"dryRun\":true,\"targets\":[{}]}}\n",
                             kApiVersion, TargetsJson(plan)));
  } else {
    screen.Print(RenderTargets(plan.rows, plan.as_of, screen.colour()));
    screen.Print(
        fmt::format("\n{} to stop. Dry run: nobody was signalled.\n", plan.targets.size()));
  }
  return ExitCode::kOk;
}

// OK to go on, else why not.
absl::Status Confirm(const Options& options, const Plan& plan, const Screen& screen) {
  if (plan.targets.size() == 1 || options.yes) return absl::OkStatus();
  if (!screen.can_ask()) {
    return absl::FailedPreconditionError(fmt::format(
        "{} targets need a confirmation and nobody can be asked; nobody was signalled. Add --yes",
        plan.targets.size()));
  }
  screen.Print(RenderTargets(plan.rows, plan.as_of, screen.colour()));
  if (screen.Ask(fmt::format("\nStop these {}? [y/N] ", plan.targets.size()))) {
    return absl::OkStatus();
  }
  return absl::FailedPreconditionError("declined; nobody was signalled");
}

v1::KillSlotsRequest RequestFor(const Options& options, const Plan& plan) {
  v1::KillSlotsRequest request;
  request.set_request_id(NewRequestId());
  for (const v1::KillTarget& target : plan.targets) *request.add_targets() = target;
  if (options.grace) *request.mutable_grace() = ToProto(*options.grace);
  request.set_reason(options.reason);
  return request;
}

// False when `stop` came first.
bool Pause(std::stop_token stop) {
  absl::Notification stopped;
  const std::stop_callback on_stop(std::move(stop), [&] { stopped.Notify(); });
  return !stopped.WaitForNotificationWithTimeout(absl::FromChrono(kBetweenTries));
}

// Follows the kill to its end. A stream that breaks is taken up again by the same request id, which
// signals nobody twice.
absl::Status Follow(const v1::KillSlotsRequest& request, Deadline deadline, const Screen& screen,
                    std::stop_token detach, Client* client, KillStory* story) {
  bool accepted = false;
  for (;;) {
    const absl::Status status =
        client->Kill(request, deadline, detach, [&](const v1::KillSlotsResponse& message) {
          accepted = accepted || message.has_accepted();
          if (!message.has_progress()) return;
          const std::string text = story->Tell(message.progress());
          if (!screen.json()) screen.Print(text);
        });
    if (status.ok() && !story->AllDone()) {
      return absl::InternalError("the controller ended the kill without a word on every target");
    }
    if (!accepted || !absl::IsUnavailable(status)) return status;
    if (std::chrono::steady_clock::now() + kBetweenTries >= deadline) return status;
    if (!Pause(detach)) return absl::CancelledError("interrupted");
  }
}

void PrintOutcomes(const Plan& plan, const v1::KillSlotsRequest& request, const KillStory& story,
                   nanoseconds took, const Screen& screen) {
  if (!screen.json()) {
    if (plan.targets.size() > 1) screen.Print("\n" + story.Summary());
    return;
  }
  std::string rows;
  for (size_t i = 0; i < plan.targets.size(); ++i) {
    rows += fmt::format("{}{{\"target\":{},\"progress\":{}}}", i == 0 ? "\n" : ",\n",
                        JsonObject(plan.targets[i], IncarnationText(plan.targets[i].incarnation())),
                        JsonObject(story.outcomes()[i]));
  }
  screen.Print(fmt::format(
      "{{\"apiVersion\":\"{}\",\"requestId\":{},\"seconds\":{:.3f},\"targets\":[{}]}}\n",
      kApiVersion, JsonString(request.request_id()), std::chrono::duration<double>(took).count(),
      rows));
}

}  // namespace

ExitCode KillCommand(const Options& options, const Screen& screen, Client* client,
                     const WatchInterrupt& watch_interrupt) {
  const auto plan = MakePlan(options, client);
  if (!plan.ok()) return screen.Fail(ExitCodeFor(plan.status()), plan.status());
  if (options.dry_run) return ShowDryRun(*plan, screen);
  if (auto s = Confirm(options, *plan, screen); !s.ok()) {
    return screen.Fail(ExitCode::kDeclined, s);
  }

  const v1::KillSlotsRequest request = RequestFor(options, *plan);
  const nanoseconds grace = options.grace.value_or(nanoseconds(0));
  const auto start = std::chrono::steady_clock::now();
  const Deadline deadline = start + options.timeout.value_or(kPatience + grace);
  KillStory story(plan->targets, grace);
  const std::stop_token detach = watch_interrupt();
  const absl::Status status = Follow(request, deadline, screen, detach, client, &story);
  if (!screen.json()) screen.Print(story.Break());
  if (story.Begun()) {
    PrintOutcomes(*plan, request, story, std::chrono::steady_clock::now() - start, screen);
  }
  if (status.ok()) {
    std::vector<ExitCode> codes;
    for (const auto& outcome : story.outcomes()) codes.push_back(ExitCodeFor(outcome));
    return Combine(codes);
  }
  const std::string look =
      fmt::format("look with: procctl-cli events --filter 'order={}/*'", request.request_id());
  if (absl::IsCancelled(status)) {
    return screen.Fail(ExitCode::kInterrupted,
                       absl::CancelledError("no longer waiting; the kill goes on; " + look),
                       request.request_id());
  }
  const ExitCode code = ExitCodeFor(status);
  if (code != ExitCode::kUnreachable) return screen.Fail(code, status, request.request_id());
  return screen.Fail(
      code,
      absl::Status(status.code(), std::string(status.message()) +
                                      "\nWhether the kill was begun is not known; " + look),
      request.request_id());
}

}  // namespace procctl::cli
