#include <algorithm>
#include <utility>
#include <vector>

#include "cli/commands.h"
#include "cli/json.h"
#include "cli/plan.h"
#include "cli/program_order.h"
#include "cli/render_programs.h"
#include "proto/support/escape.h"
#include "proto/support/peer_identity.h"
#include "spdlog/fmt/fmt.h"

namespace procctl::cli {
namespace {

constexpr std::string_view kNothingDone = "nothing was reloaded";

struct NodePlan {
  NodeList list;
  std::vector<v1::ProgramTarget> targets;
};

absl::StatusOr<NodePlan> PlanNodes(const Options& options, Client* client) {
  std::vector<std::string> names;
  for (const std::string& name : options.targets) {
    if (!IsValidNodeId(name)) {
      return absl::InvalidArgumentError(fmt::format(
          "\"{}\" is not NODE; `procctl-cli list nodes` shows what there is", Printable(name)));
    }
    if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
  }
  // So many names fit no filter; then all nodes are asked for.
  constexpr size_t kMostNames = 60;
  const std::string filter =
      names.size() <= kMostNames ? fmt::format("node={}", fmt::join(names, ",")) : "";
  auto list = client->ListNodes(filter, AnswerTime(options));
  if (!list.ok()) return list.status();
  NodePlan plan;
  plan.list.as_of = list->as_of;
  std::vector<std::string> missing;
  for (const std::string& name : names) {
    const auto node = std::find_if(list->nodes.begin(), list->nodes.end(),
                                   [&](const v1::Node& other) { return other.id() == name; });
    if (node == list->nodes.end()) {
      missing.push_back(name);
      continue;
    }
    plan.list.nodes.push_back(*node);
    plan.targets.emplace_back().set_node(name);
  }
  if (missing.empty()) return plan;
  return absl::NotFoundError(
      fmt::format("no node {} was ever seen; {}. `procctl-cli list nodes` shows what there is",
                  fmt::join(missing, ", "), kNothingDone));
}

}  // namespace

ExitCode ReloadCommand(const Options& options, const Screen& screen, Client* client) {
  const auto plan = PlanNodes(options, client);
  if (!plan.ok()) return screen.Fail(ExitCodeFor(plan.status()), plan.status());
  const Question question{"Reload", kNothingDone};
  const std::string table = RenderNodes(plan->list, screen.colour());
  if (auto s = Confirm(options, plan->targets.size(), table, question, screen); !s.ok()) {
    return screen.Fail(ExitCode::kDeclined, s);
  }
  const auto order = OrderFor(v1::PROGRAM_ACTION_RELOAD, options, plan->targets);
  const auto response = Send(order, options, client);
  if (!response.ok()) {
    return screen.Fail(ExitCodeFor(response.status()), response.status(), order.request_id());
  }
  std::vector<ExitCode> codes;
  std::string text;
  for (size_t i = 0; i < plan->targets.size(); ++i) {
    const v1::ProgramOutcome& outcome = response->outcomes(static_cast<int>(i));
    codes.push_back(ExitCodeFor(outcome));
    if (screen.json()) {
      text += fmt::format("{}{{\"target\":{},\"outcome\":{}}}", i == 0 ? "\n" : ",\n",
                          JsonObject(plan->targets[i]), JsonObject(outcome));
    } else {
      text += RenderProgramOutcome(v1::PROGRAM_ACTION_RELOAD, plan->targets[i], outcome);
    }
  }
  if (screen.json()) {
    text = fmt::format(
        "{{\"apiVersion\":\"{}\",\"requestId\":{},\"action\":\"reload\",\"targets\":[{}]}}\n",
        kApiVersion, JsonString(order.request_id()), text);
  }
  screen.Print(text);
  return Combine(codes);
}

}  // namespace procctl::cli
