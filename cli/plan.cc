#include "cli/plan.h"

#include <algorithm>
#include <string>
#include <utility>

#include "cli/commands.h"
#include "cli/json.h"
#include "cli/render.h"
#include "cli/target.h"
#include "spdlog/fmt/fmt.h"

namespace procctl::cli {
namespace {

// What one call of the controller takes.
constexpr size_t kMostTargets = 1000;

std::string Key(const v1::KillTarget& target) {
  return target.node() + " " + IncarnationText(target.incarnation());
}

class PlanBuilder {
 public:
  explicit PlanBuilder(google::protobuf::Timestamp as_of) { plan_.as_of = std::move(as_of); }

  // A target that is there already is left out.
  void Add(v1::FleetSlot row, const v1::Incarnation& incarnation) {
    v1::KillTarget target;
    target.set_node(row.node());
    target.set_slot(row.slot().label());
    *target.mutable_incarnation() = incarnation;
    if (std::find(seen_.begin(), seen_.end(), Key(target)) != seen_.end()) return;
    seen_.push_back(Key(target));
    plan_.rows.push_back(std::move(row));
    plan_.targets.push_back(std::move(target));
  }
  void Add(const v1::FleetSlot& row) { Add(row, row.slot().incarnation()); }

  Plan Take() { return std::move(plan_); }

 private:
  Plan plan_;
  std::vector<std::string> seen_;
};

absl::StatusOr<Plan> ByFilter(const Options& options, std::string_view nothing_done,
                              Client* client) {
  const auto list =
      client->ListSlots(options.target_filter, AnswerTime(options), /*with_usage=*/false);
  if (!list.ok()) return list.status();
  if (list->slots.empty()) {
    return absl::NotFoundError(
        fmt::format("no slot matches \"{}\"; {}", options.target_filter, nothing_done));
  }
  if (list->slots.size() > kMostTargets) {
    return absl::FailedPreconditionError(
        fmt::format("{} slots match \"{}\", more than the {} of one call; {}", list->slots.size(),
                    options.target_filter, kMostTargets, nothing_done));
  }
  PlanBuilder builder(list->as_of);
  for (const v1::FleetSlot& row : list->slots) builder.Add(row);
  return builder.Take();
}

}  // namespace

absl::StatusOr<Plan> PlanTargets(const Options& options, Hearts hearts,
                                 std::string_view nothing_done, Client* client) {
  if (!options.target_filter.empty()) return ByFilter(options, nothing_done, client);
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
  const auto list = client->ListSlots(FilterFor(names), AnswerTime(options), /*with_usage=*/false);
  if (!list.ok()) return list.status();
  PlanBuilder builder(list->as_of);
  std::vector<std::string> missing;
  for (const TargetName& name : names) {
    const v1::FleetSlot* row = Match(name, list->slots);
    if (!options.if_incarnation.empty()) {
      v1::FleetSlot shown;
      if (row != nullptr) {
        shown = *row;
      } else {
        // It may have ended since it was seen: the node will say so.
        shown.set_node(name.node);
        shown.mutable_slot()->set_label(name.pid ? fmt::format("pid-{}", *name.pid) : name.slot);
      }
      builder.Add(std::move(shown), pinned);
    } else if (row == nullptr) {
      missing.push_back(name.ToString());
    } else if (name.pid && hearts == Hearts::kAll) {
      for (const v1::FleetSlot& other : list->slots) {
        if (other.node() == name.node && other.slot().incarnation().pid() == *name.pid) {
          builder.Add(other);
        }
      }
    } else {
      builder.Add(*row);
    }
  }
  if (!missing.empty()) {
    return absl::NotFoundError(
        fmt::format("nothing is guarded as {}; {}. `procctl-cli list` shows what there is",
                    fmt::join(missing, ", "), nothing_done));
  }
  return builder.Take();
}

absl::Status Confirm(const Options& options, const Plan& plan, const Question& question,
                     const Screen& screen) {
  return Confirm(options, plan.targets.size(),
                 RenderTargets(plan.rows, plan.as_of, screen.colour()), question, screen);
}

absl::Status Confirm(const Options& options, size_t targets, const std::string& table,
                     const Question& question, const Screen& screen) {
  if (targets == 1 || options.yes) return absl::OkStatus();
  if (!screen.can_ask()) {
    return absl::FailedPreconditionError(
        fmt::format("{} targets need a confirmation and nobody can be asked; {}. Add --yes",
                    targets, question.nothing_done));
  }
  screen.Print(table);
  if (screen.Ask(fmt::format("\n{} these {}? [y/N] ", question.verb, targets))) {
    return absl::OkStatus();
  }
  return absl::FailedPreconditionError(fmt::format("declined; {}", question.nothing_done));
}

std::string TargetsJson(const Plan& plan) {
  std::string out;
  for (size_t i = 0; i < plan.targets.size(); ++i) {
    out += i == 0 ? "\n" : ",\n";
    out += JsonObject(plan.targets[i], IncarnationText(plan.targets[i].incarnation()));
  }
  return out;
}

}  // namespace procctl::cli
