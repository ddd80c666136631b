#include "cli/program_plan.h"

#include <algorithm>
#include <string>
#include <utility>

#include "cli/commands.h"
#include "cli/program_target.h"
#include "spdlog/fmt/fmt.h"

namespace procctl::cli {
namespace {

// What one call of the controller takes.
constexpr size_t kMostTargets = 1000;

void Add(v1::ProgramAction action, const v1::FleetProgram& row, ProgramPlan* plan) {
  const bool there =
      std::any_of(plan->rows.begin(), plan->rows.end(), [&](const v1::FleetProgram& other) {
        return other.node() == row.node() && other.program().label() == row.program().label();
      });
  if (there) return;
  plan->rows.push_back(row);
  plan->targets.push_back(TargetOf(action, row));
}

absl::StatusOr<ProgramPlan> ByFilter(const Options& options, std::string_view nothing_done,
                                     Client* client) {
  auto list =
      client->ListPrograms(options.target_filter, AnswerTime(options), /*with_usage=*/false);
  if (!list.ok()) return list.status();
  if (list->programs.empty()) {
    return absl::NotFoundError(
        fmt::format("no program matches \"{}\"; {}", options.target_filter, nothing_done));
  }
  ProgramPlan plan;
  plan.as_of = list->as_of;
  for (const v1::FleetProgram& row : list->programs) Add(ActionOf(options.verb), row, &plan);
  return plan;
}

absl::StatusOr<ProgramPlan> ByName(const Options& options, std::string_view nothing_done,
                                   Client* client) {
  std::vector<ProgramName> names;
  for (const std::string& text : options.targets) {
    auto name = ParseProgram(text);
    if (!name.ok()) return name.status();
    names.push_back(std::move(*name));
  }
  const auto list =
      client->ListPrograms(FilterFor(names), AnswerTime(options), /*with_usage=*/false);
  if (!list.ok()) return list.status();
  ProgramPlan plan;
  plan.as_of = list->as_of;
  std::vector<std::string> missing;
  for (const ProgramName& name : names) {
    bool found = false;
    for (const v1::FleetProgram& row : list->programs) {
      if (!IsOf(name, row)) continue;
      found = true;
      Add(ActionOf(options.verb), row, &plan);
    }
    if (!found) missing.push_back(name.ToString());
  }
  if (!missing.empty()) {
    return absl::NotFoundError(
        fmt::format("there is no program {}; {}. `procctl-cli programs` shows what there is",
                    fmt::join(missing, ", "), nothing_done));
  }
  return plan;
}

}  // namespace

v1::ProgramAction ActionOf(Verb verb) {
  switch (verb) {
    case Verb::kStart:
      return v1::PROGRAM_ACTION_START;
    case Verb::kStop:
      return v1::PROGRAM_ACTION_STOP;
    case Verb::kRestart:
      return v1::PROGRAM_ACTION_RESTART;
    case Verb::kRetry:
      return v1::PROGRAM_ACTION_RETRY;
    case Verb::kReload:
      return v1::PROGRAM_ACTION_RELOAD;
    default:  // no other verb orders anything of programs
      return v1::PROGRAM_ACTION_UNSPECIFIED;
  }
}

v1::ProgramTarget TargetOf(v1::ProgramAction action, const v1::FleetProgram& row) {
  v1::ProgramTarget target;
  target.set_node(row.node());
  target.set_program(row.program().label());
  const bool stops = action == v1::PROGRAM_ACTION_STOP || action == v1::PROGRAM_ACTION_RESTART;
  if (stops && row.program().incarnation().pid() > 0) {
    *target.mutable_incarnation() = row.program().incarnation();
  }
  return target;
}

absl::StatusOr<ProgramPlan> PlanPrograms(const Options& options, std::string_view nothing_done,
                                         Client* client) {
  auto plan = options.target_filter.empty() ? ByName(options, nothing_done, client)
                                            : ByFilter(options, nothing_done, client);
  // A rolling restart orders few at a time.
  if (plan.ok() && !options.max_unavailable && plan->targets.size() > kMostTargets) {
    return absl::FailedPreconditionError(
        fmt::format("{} programs are more than the {} of one call; {}", plan->targets.size(),
                    kMostTargets, nothing_done));
  }
  return plan;
}

}  // namespace procctl::cli
