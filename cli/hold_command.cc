#include <vector>

#include "cli/commands.h"
#include "cli/json.h"
#include "cli/plan.h"
#include "cli/render.h"
#include "cli/request_id.h"
#include "cli/target.h"
#include "proto/support/time_convert.h"
#include "spdlog/fmt/fmt.h"

namespace procctl::cli {
namespace {

// The controller waits for the nodes at most the time to live and 5 s (fleet_service.proto); then
// it must have the time to say so.
constexpr std::chrono::seconds kTimeToLive{20};
constexpr std::chrono::seconds kPatience{30};

v1::HoldSlotsRequest RequestFor(const Options& options, const Plan& plan) {
  v1::HoldSlotsRequest request;
  request.set_request_id(NewRequestId());
  for (const v1::KillTarget& target : plan.targets) *request.add_targets() = target;
  request.set_release(options.verb == Verb::kRelease);
  if (options.hold_for) *request.mutable_hold_for() = ToProto(*options.hold_for);
  request.set_reason(options.reason);
  *request.mutable_time_to_live() = ToProto(std::chrono::nanoseconds(kTimeToLive));
  return request;
}

void PrintOutcomes(const Plan& plan, const v1::HoldSlotsRequest& request,
                   const v1::HoldSlotsResponse& response, const Screen& screen) {
  std::string text;
  for (int i = 0; i < response.outcomes_size(); ++i) {
    const v1::KillTarget& target = plan.targets[static_cast<size_t>(i)];
    if (screen.json()) {
      text += fmt::format("{}{{\"target\":{},\"outcome\":{}}}", i == 0 ? "\n" : ",\n",
                          JsonObject(target, IncarnationText(target.incarnation())),
                          JsonObject(response.outcomes(i)));
    } else {
      text += RenderHold(target, response.outcomes(i), request.release());
    }
  }
  if (screen.json()) {
    text =
        fmt::format("{{\"apiVersion\":\"{}\",\"requestId\":{},\"release\":{},\"targets\":[{}]}}\n",
                    kApiVersion, JsonString(request.request_id()), request.release(), text);
  } else if (response.outcomes_size() > 1) {
    text += "\n" + HoldSummary(response, request.release());
  }
  screen.Print(text);
}

}  // namespace

ExitCode HoldCommand(const Options& options, const Screen& screen, Client* client) {
  const bool release = options.verb == Verb::kRelease;
  const Question question{release ? "Release" : "Hold",
                          release ? "nothing was released" : "nothing was held"};
  const auto plan = PlanTargets(options, Hearts::kAll, question.nothing_done, client);
  if (!plan.ok()) return screen.Fail(ExitCodeFor(plan.status()), plan.status());
  if (auto s = Confirm(options, *plan, question, screen); !s.ok()) {
    return screen.Fail(ExitCode::kDeclined, s);
  }
  const v1::HoldSlotsRequest request = RequestFor(options, *plan);
  const auto response = client->Hold(request, options.timeout.value_or(kPatience));
  if (!response.ok()) {
    const ExitCode code = ExitCodeFor(response.status());
    if (code != ExitCode::kUnreachable) {
      return screen.Fail(code, response.status(), request.request_id());
    }
    return screen.Fail(
        code,
        absl::Status(response.status().code(),
                     fmt::format("{}\nWhether it came about is not known; look with: procctl-cli "
                                 "list",
                                 std::string(response.status().message()))),
        request.request_id());
  }
  if (static_cast<size_t>(response->outcomes_size()) != plan->targets.size()) {
    return screen.Fail(
        ExitCode::kFailed,
        absl::InternalError(fmt::format("the controller answered for {} of {} targets; look with: "
                                        "procctl-cli list",
                                        response->outcomes_size(), plan->targets.size())),
        request.request_id());
  }
  PrintOutcomes(*plan, request, *response, screen);
  std::vector<ExitCode> codes;
  for (const v1::HoldOutcome& outcome : response->outcomes()) codes.push_back(ExitCodeFor(outcome));
  return Combine(codes);
}

}  // namespace procctl::cli
