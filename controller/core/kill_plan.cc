#include "controller/core/kill_plan.h"

#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <tuple>
#include <utility>

#include "proto/support/escape.h"
#include "spdlog/fmt/fmt.h"

namespace procctl::controller {
namespace {

// Every part with its length before it, so that no two different orders read the same.
void Add(std::string* text, std::string_view part) {
  *text += fmt::format("{}:", part.size());
  text->append(part);
}

void Add(std::string* text, std::int64_t number) { Add(text, fmt::format("{}", number)); }

v1::PlannedOutcome OutcomeOf(const FleetView& view, const NodeRow& node, const SlotRow& slot) {
  if (node.state != NodeState::kConnected) return v1::PLANNED_OUTCOME_UNREACHABLE;
  const bool held = slot.state == v1::SLOT_STATE_HELD || slot.held || slot.observe;
  if (held || node.facts.mode == "observe") return v1::PLANNED_OUTCOME_HELD;
  const std::string_view program = slot.program.empty() ? slot.label : slot.program;
  return view.FindProgram(node.id, program) != nullptr ? v1::PLANNED_OUTCOME_RESTART
                                                       : v1::PLANNED_OUTCOME_STOP;
}

}  // namespace

ChosenSlot Choose(const FleetView& view, const NodeRow& node, const SlotRow& slot) {
  ChosenSlot chosen;
  chosen.target.node = node.id;
  chosen.target.label = std::string(slot.label);
  chosen.target.name = std::string(slot.name);
  chosen.target.incarnation = slot.Unpack().incarnation();
  chosen.target.planned = OutcomeOf(view, node, slot);
  chosen.state = ShownState(node, slot);
  return chosen;
}

ChosenSlot Choose(const FleetView& view, const v1::KillTarget& named) {
  const NodeRow* node = view.FindNode(named.node());
  const SlotRow* slot = view.FindSlot(named.node(), named.slot());
  ChosenSlot chosen;
  if (node != nullptr && slot != nullptr) chosen = Choose(view, *node, *slot);
  const bool same = chosen.target.incarnation.generation() == named.incarnation().generation() &&
                    chosen.target.incarnation.pid() == named.incarnation().pid();
  if (!same) {
    // Nothing is known of that process; its node will say what became of it.
    chosen = {};
    const bool heard = node != nullptr && node->state == NodeState::kConnected;
    chosen.target.planned = heard ? v1::PLANNED_OUTCOME_STOP : v1::PLANNED_OUTCOME_UNREACHABLE;
    chosen.target.name = named.slot();
  }
  chosen.target.node = named.node();
  chosen.target.label = named.slot();
  chosen.target.incarnation = named.incarnation();
  return chosen;
}

int BatchesOf(size_t targets, const Pace& pace) {
  if (pace.batch <= 0 || targets == 0) return 1;
  const size_t size = static_cast<size_t>(pace.batch);
  return static_cast<int>((targets + size - 1) / size);
}

std::vector<ChosenSlot> Arrange(std::vector<ChosenSlot> chosen, const Pace& pace) {
  std::stable_sort(chosen.begin(), chosen.end(), [](const ChosenSlot& a, const ChosenSlot& b) {
    return std::tie(a.target.node, a.target.label) < std::tie(b.target.node, b.target.label);
  });
  std::set<std::tuple<std::string, std::string, int, std::int64_t>> processes;
  std::map<std::string, std::vector<ChosenSlot>> by_node;
  for (ChosenSlot& slot : chosen) {
    const v1::Incarnation& life = slot.target.incarnation;
    if (!processes.emplace(slot.target.node, life.boot_id(), life.pid(), life.start_ticks()).second)
      continue;
    by_node[slot.target.node].push_back(std::move(slot));
  }
  std::vector<ChosenSlot> arranged;
  arranged.reserve(processes.size());
  for (size_t round = 0; arranged.size() < processes.size(); ++round) {
    for (auto& [node, slots] : by_node) {
      if (round < slots.size()) arranged.push_back(std::move(slots[round]));
    }
  }
  for (size_t i = 0; i < arranged.size(); ++i) {
    arranged[i].target.batch =
        pace.batch <= 0 ? 1 : static_cast<int>(i / static_cast<size_t>(pace.batch)) + 1;
  }
  return arranged;
}

RoleLimits LimitsOf(bool admin, const OrderLimits& limits) {
  return admin ? RoleLimits{limits.admin_targets, limits.admin_at_most}
               : RoleLimits{limits.operator_targets, limits.operator_at_most};
}

std::string ConfirmBecause(size_t targets, const RoleLimits& limits, bool everybody,
                           std::string_view filter) {
  if (everybody) {
    return fmt::format("\"{}\" matches every slot of the fleet, {} targets", Escape(filter),
                       targets);
  }
  if (targets > static_cast<size_t>(limits.unconfirmed)) {
    return fmt::format("{} targets are more than the {} that this role stops without confirming",
                       targets, limits.unconfirmed);
  }
  return "";
}

std::string PlanHash(const OrderRequest& request) {
  std::string text;
  Add(&text, "procctl plan 1");
  Add(&text, request.issuer);
  Add(&text, request.reason);
  Add(&text, request.grace ? request.grace->count() : -1);
  Add(&text, request.pace.max_unavailable);
  Add(&text, request.pace.batch);
  Add(&text, request.pace.pause.count());
  Add(&text, request.pace.recovery_limit.count());
  Add(&text, request.pace.halt_percent);
  for (const OrderTarget& target : request.targets) {
    Add(&text, target.node);
    Add(&text, target.label);
    Add(&text, target.incarnation.boot_id());
    Add(&text, target.incarnation.pid());
    Add(&text, target.incarnation.start_ticks());
    Add(&text, target.incarnation.generation());
    Add(&text, target.batch);
    Add(&text, target.planned);
  }
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int bytes = 0;
  // Fails only where OpenSSL cannot allocate; the empty hash names no plan then.
  if (EVP_Digest(text.data(), text.size(), digest.data(), &bytes, EVP_sha256(), nullptr) != 1) {
    return "";
  }
  std::string hex;
  for (unsigned int i = 0; i < bytes; ++i) hex += fmt::format("{:02x}", digest[i]);
  return hex;
}

}  // namespace procctl::controller
