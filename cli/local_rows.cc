#include "cli/local_rows.h"

#include <algorithm>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "proto/support/filter_schemas.h"
#include "proto/support/fleet_slot_subject.h"
#include "proto/support/time_convert.h"

namespace procctl::cli {
namespace {

// What the filter asks of programs and nodes.
struct ProgramSubject {
  const v1::LocalHello& node;
  const v1::Program& program;
  std::string_view Text(int key) const {
    if (key == kProgramKeyNode) return node.node_id();
    return key == kProgramKeyName ? program.name() : program.label();
  }
  const auto& Texts(int) const { return program.labels(); }
  std::int64_t Number(int) const { return 0; }
  int Choice(int) const { return static_cast<int>(program.state()); }
};

struct NodeSubject {
  const v1::LocalHello& node;
  std::string_view Text(int key) const {
    switch (key) {
      case kNodeKeyVersion:
        return node.software_version();
      case kNodeKeyHostname:
        return node.hostname();
      case kNodeKeyMode:
        return node.mode();
      default:
        return node.node_id();
    }
  }
  std::int64_t Number(int) const { return 0; }
  int Choice(int) const { return static_cast<int>(v1::NODE_STATE_CONNECTED); }
};

// As v1::Node.slots_in_trouble says.
bool IsInTrouble(v1::SlotState state) {
  return state != v1::SLOT_STATE_ALIVE && state != v1::SLOT_STATE_QUIET &&
         state != v1::SLOT_STATE_STARTING && state != v1::SLOT_STATE_BUSY;
}

}  // namespace

absl::StatusOr<SlotList> SlotsOf(const v1::LocalHello& node, const std::vector<v1::Slot>& rows,
                                 const std::string& filter,
                                 const google::protobuf::Timestamp& as_of, procctl::Match enough) {
  const auto parsed = Filter::Parse(filter, SlotFilterSchema());
  if (!parsed.ok()) return parsed.status();
  SlotList list;
  list.as_of = as_of;
  list.summary.set_nodes_connected(1);
  list.summary.set_slots(static_cast<int32_t>(rows.size()));
  for (const v1::Slot& slot : rows) {
    if (IsInTrouble(slot.state())) {
      list.summary.set_slots_in_trouble(list.summary.slots_in_trouble() + 1);
    }
    v1::FleetSlot row;
    row.set_node(node.node_id());
    *row.mutable_slot() = slot;
    row.set_node_state(v1::NODE_STATE_CONNECTED);
    row.set_freshness(v1::FRESHNESS_FRESH);
    *row.mutable_known_at() = as_of;
    if (parsed->Judge(FleetSlotSubject{row, FromProto(as_of)}) < enough) continue;
    list.slots.push_back(std::move(row));
  }
  std::sort(list.slots.begin(), list.slots.end(),
            [](const auto& a, const auto& b) { return a.slot().label() < b.slot().label(); });
  return list;
}

bool AsksForUsage(const std::string& filter) {
  const auto parsed = Filter::Parse(filter, SlotFilterSchema());
  return parsed.ok() && (parsed->Uses(kSlotKeyCpu) || parsed->Uses(kSlotKeyMemory));
}

void DropNoMatches(const std::string& filter, SlotList* list) {
  const auto parsed = Filter::Parse(filter, SlotFilterSchema());
  if (!parsed.ok()) return;
  const auto now = FromProto(list->as_of);
  std::erase_if(list->slots, [&](const v1::FleetSlot& row) {
    return !parsed->Matches(FleetSlotSubject{row, now});
  });
}

absl::StatusOr<ProgramList> ProgramsOf(const v1::LocalHello& node,
                                       const std::vector<v1::Program>& rows,
                                       const std::string& filter,
                                       const google::protobuf::Timestamp& as_of) {
  const auto parsed = Filter::Parse(filter, ProgramFilterSchema());
  if (!parsed.ok()) return parsed.status();
  ProgramList list;
  list.as_of = as_of;
  for (const v1::Program& program : rows) {
    if (!parsed->Matches(ProgramSubject{node, program})) continue;
    v1::FleetProgram& row = list.programs.emplace_back();
    row.set_node(node.node_id());
    *row.mutable_program() = program;
    row.set_node_state(v1::NODE_STATE_CONNECTED);
  }
  std::sort(list.programs.begin(), list.programs.end(),
            [](const auto& a, const auto& b) { return a.program().label() < b.program().label(); });
  return list;
}

absl::StatusOr<NodeList> NodesOf(const v1::LocalHello& node, const v1::FleetSummary& summary,
                                 const std::string& filter,
                                 const google::protobuf::Timestamp& as_of) {
  const auto parsed = Filter::Parse(filter, NodeFilterSchema());
  if (!parsed.ok()) return parsed.status();
  NodeList list;
  list.as_of = as_of;
  if (!parsed->Matches(NodeSubject{node})) return list;
  v1::Node& row = list.nodes.emplace_back();
  row.set_id(node.node_id());
  row.set_state(v1::NODE_STATE_CONNECTED);
  row.set_software_version(node.software_version());
  row.set_hostname(node.hostname());
  row.set_kernel(node.kernel());
  row.set_boot_id(node.boot_id());
  row.set_mode(node.mode());
  row.set_guardian_uid(node.guardian_uid());
  row.set_slots(summary.slots());
  row.set_slots_in_trouble(summary.slots_in_trouble());
  return list;
}

}  // namespace procctl::cli
