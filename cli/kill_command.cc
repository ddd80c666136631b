#include <utility>
#include <vector>

#include "cli/commands.h"
#include "cli/interrupt.h"
#include "cli/json.h"
#include "cli/order_options.h"
#include "cli/plan.h"
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

v1::KillSlotsRequest RequestFor(const Options& options, const Plan& plan) {
  v1::KillSlotsRequest request;
  request.set_request_id(NewRequestId());
  for (const v1::KillTarget& target : plan.targets) *request.add_targets() = target;
  if (options.grace) *request.mutable_grace() = ToProto(*options.grace);
  request.set_reason(options.reason);
  return request;
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
    if (!Pause(kBetweenTries, detach)) return absl::CancelledError("interrupted");
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

// Where to look for why a target was not stopped.
void PrintNext(const Plan& plan, const KillStory& story, const Screen& screen) {
  for (size_t i = 0; i < plan.targets.size(); ++i) {
    const v1::Verdict verdict = story.outcomes()[i].verdict();
    if (verdict != v1::VERDICT_UNKILLABLE && verdict != v1::VERDICT_HELD &&
        verdict != v1::VERDICT_UNKNOWN_AFTER_CRASH) {
      continue;
    }
    screen.Note("Next: procctl-cli why " +
                ShellName(plan.targets[i].node(), plan.targets[i].slot()));
    return;
  }
}

}  // namespace

ExitCode KillCommand(const Options& options, const Screen& screen, Client* client,
                     const WatchInterrupt& watch_interrupt) {
  // A node of its own plans nothing; and a dry run of exact targets needs no plan.
  const bool exact_dry_run = options.dry_run && NamesExactTargets(options);
  if (IsPlanned(options) && !options.connection.local && !exact_dry_run) {
    return PlannedKillCommand(options, screen, client, watch_interrupt);
  }
  const auto plan = PlanTargets(options, Hearts::kFirst, "nobody was signalled", client);
  if (!plan.ok()) return screen.Fail(ExitCodeFor(plan.status()), plan.status());
  if (options.dry_run) return ShowDryRun(*plan, screen);
  if (auto s = Confirm(options, *plan, {"Stop", "nobody was signalled"}, screen); !s.ok()) {
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
    PrintNext(*plan, story, screen);
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
