#include <utility>
#include <vector>

#include "cli/commands.h"
#include "cli/json.h"
#include "cli/order_follow.h"
#include "cli/order_options.h"
#include "cli/plan.h"
#include "cli/render.h"
#include "cli/render_orders.h"
#include "cli/request_id.h"
#include "cli/target.h"
#include "proto/support/escape.h"
#include "proto/support/time_convert.h"
#include "spdlog/fmt/fmt.h"

namespace procctl::cli {
namespace {

using std::chrono::nanoseconds;

constexpr std::string_view kNothingDone = "nobody was signalled";

absl::StatusOr<v1::PlanKillRequest> RequestFor(const Options& options, Client* client) {
  v1::PlanKillRequest request;
  if (NamesExactTargets(options)) {
    auto exact = PlanTargets(options, Hearts::kFirst, kNothingDone, client);
    if (!exact.ok()) return exact.status();
    for (v1::KillTarget& target : exact->targets) *request.add_targets() = std::move(target);
  } else {
    request.set_filter(SelectorOf(options));
  }
  if (options.grace) *request.mutable_grace() = ToProto(*options.grace);
  request.set_reason(options.reason);
  *request.mutable_pace() = PaceOf(options);
  return request;
}

// OK to go on; else FAILED_PRECONDITION names the number that is wanted.
absl::Status CheckNumber(const Options& options, const v1::PlanKillResponse& plan) {
  const std::optional<int>& confirm = options.order.confirm;
  if (confirm && *confirm != plan.targets_size()) {
    return absl::FailedPreconditionError(
        fmt::format("--confirm says {}, and {} would be stopped; {}. If these are meant: --confirm "
                    "{}",
                    *confirm, plan.targets_size(), kNothingDone, plan.targets_size()));
  }
  if (!plan.confirm_needed() || confirm) return absl::OkStatus();
  return absl::FailedPreconditionError(
      fmt::format("{}; {}. `--plan` shows them. If all of them are meant: --confirm {}",
                  Printable(plan.confirm_because()), kNothingDone, plan.targets_size()));
}

absl::Status Agree(const Options& options, const v1::PlanKillResponse& plan, const v1::Pace& pace,
                   const Screen& screen) {
  if (auto s = CheckNumber(options, plan); !s.ok()) return s;
  // The number says more than a yes.
  if (options.order.confirm) return absl::OkStatus();
  return Confirm(options, static_cast<size_t>(plan.targets_size()),
                 RenderPlan(plan, pace, screen.colour()), {"Stop", kNothingDone}, screen);
}

void PrintJson(const v1::PlanKillResponse& plan, const std::string& request_id,
               const KillStory& story, const v1::OrderStatus& status, nanoseconds took,
               const Screen& screen) {
  std::string rows;
  for (int i = 0; i < plan.targets_size(); ++i) {
    const v1::KillTarget& target = plan.targets(i).target();
    rows += fmt::format("{}{{\"target\":{},\"progress\":{}}}", i == 0 ? "\n" : ",\n",
                        JsonObject(target, IncarnationText(target.incarnation())),
                        JsonObject(story.outcomes()[static_cast<size_t>(i)]));
  }
  screen.Print(
      fmt::format("{{\"apiVersion\":\"{}\",\"requestId\":{},\"seconds\":{:.3f},\"order\":{},"
                  "\"targets\":[{}]}}\n",
                  kApiVersion, JsonString(request_id), std::chrono::duration<double>(took).count(),
                  JsonObject(status), rows));
}

ExitCode CodeOf(const KillStory& story) {
  std::vector<ExitCode> codes;
  for (const auto& outcome : story.outcomes()) codes.push_back(ExitCodeFor(outcome));
  return Combine(codes);
}

ExitCode Apply(const Options& options, const v1::PlanKillResponse& plan, const Screen& screen,
               Client* client, const WatchInterrupt& watch_interrupt) {
  v1::ApplyKillRequest request;
  request.set_request_id(NewRequestId());
  request.set_plan_hash(plan.plan_hash());
  request.set_confirm_targets(options.order.confirm.value_or(0));
  const std::string& id = request.request_id();
  std::vector<v1::KillTarget> targets;
  for (const v1::PlannedTarget& target : plan.targets()) targets.push_back(target.target());

  KillStory story(std::move(targets), options.grace.value_or(nanoseconds(0)));
  OrderFollow follow(id, screen, client, [&](const v1::TargetProgress& progress) {
    const std::string text = story.Tell(progress);
    if (!screen.json()) screen.Print(text);
  });
  const std::stop_token detach = watch_interrupt();
  const auto start = std::chrono::steady_clock::now();
  const Deadline deadline = start + options.timeout.value_or(kMostFollowed);
  const absl::Status status = follow.Run(
      [&](std::stop_token stop, const OnKillMessage& on_message) {
        return client->ApplyKill(request, deadline, std::move(stop), on_message);
      },
      deadline, detach);

  if (!screen.json()) screen.Print(story.Break());
  if (screen.json() && follow.accepted()) {
    PrintJson(plan, id, story, follow.status(), std::chrono::steady_clock::now() - start, screen);
  } else if (story.Begun() && plan.targets_size() > 1) {
    screen.Print("\n" + story.Summary());
  }
  if (follow.halted()) {
    return screen.Fail(
        ExitCode::kFailed,
        absl::FailedPreconditionError(fmt::format(
            "order {0} has halted: {1}\nlook why, then go on: procctl-cli order {0} --resume\nor "
            "end it: procctl-cli order {0} --cancel --reason ...",
            id, follow.status().message())),
        id);
  }
  if (status.ok()) return CodeOf(story);
  if (absl::IsCancelled(status)) {
    return screen.Fail(ExitCode::kInterrupted,
                       absl::CancelledError(fmt::format("no longer waiting; order {} goes on\n{}",
                                                        id, HowToReturn(id))),
                       id);
  }
  // Refused before anything began.
  if (absl::IsFailedPrecondition(status)) return screen.Fail(ExitCode::kDeclined, status, id);
  const ExitCode code = ExitCodeFor(status);
  if (code != ExitCode::kUnreachable) return screen.Fail(code, status, id);
  return screen.Fail(
      code,
      absl::Status(status.code(), fmt::format("{}\n{}{}", std::string(status.message()),
                                              follow.accepted() ? "The order goes on; "
                                                                : "Whether the order was begun is "
                                                                  "not known; ",
                                              HowToReturn(id))),
      id);
}

}  // namespace

ExitCode PlannedKillCommand(const Options& options, const Screen& screen, Client* client,
                            const WatchInterrupt& watch_interrupt) {
  const auto request = RequestFor(options, client);
  if (!request.ok()) return screen.Fail(ExitCodeFor(request.status()), request.status());
  const auto plan = client->PlanKill(*request, AnswerTime(options));
  if (!plan.ok()) {
    const bool refused = absl::IsFailedPrecondition(plan.status());
    return screen.Fail(refused ? ExitCode::kDeclined : ExitCodeFor(plan.status()), plan.status());
  }
  if (options.order.plan_only || options.dry_run) {
    if (screen.json()) {
      screen.Print(PlanJson(*plan));
    } else {
      screen.Print(RenderPlan(*plan, request->pace(), screen.colour()));
      if (plan->confirm_needed()) {
        screen.Print(fmt::format("{}: this will need --confirm {}.\n",
                                 Printable(plan->confirm_because()), plan->targets_size()));
      }
      screen.Print("Dry run: nobody was signalled.\n");
    }
    return ExitCode::kOk;
  }
  if (auto s = Agree(options, *plan, request->pace(), screen); !s.ok()) {
    return screen.Fail(ExitCode::kDeclined, s);
  }
  return Apply(options, *plan, screen, client, watch_interrupt);
}

}  // namespace procctl::cli
