#include "controller/core/fleet_view.h"

#include <algorithm>
#include <utility>

#include "proto/support/filter_schemas.h"
#include "proto/support/row_digest.h"
#include "proto/support/time_convert.h"

namespace procctl::controller {
namespace {

// Starting and long work are what a process said it would do; all else but ALIVE and QUIET needs
// somebody's attention.
bool InTrouble(v1::SlotState state) {
  return state != v1::SLOT_STATE_ALIVE && state != v1::SLOT_STATE_QUIET &&
         state != v1::SLOT_STATE_STARTING && state != v1::SLOT_STATE_BUSY;
}

std::unique_ptr<const SlotRow::Extras> ExtrasOf(const v1::Slot& slot) {
  if (slot.note().empty() && slot.hold_reason().empty() && slot.phase().empty() &&
      !slot.has_hold() && !slot.has_progress_limit() && !slot.has_special_limit() &&
      !slot.observe()) {
    return nullptr;
  }
  auto extras = std::make_unique<SlotRow::Extras>();
  extras->note = slot.note();
  extras->hold_reason = slot.hold_reason();
  extras->phase = slot.phase();
  if (slot.has_hold()) extras->hold = slot.hold();
  if (slot.has_progress_limit()) extras->progress_limit = FromProto(slot.progress_limit());
  if (slot.has_progress_silence()) extras->progress_silence = FromProto(slot.progress_silence());
  if (slot.has_special_limit()) extras->special_limit = FromProto(slot.special_limit());
  extras->observe = slot.observe();
  return extras;
}

struct NodeSubject {
  const NodeRow& node;
  std::string_view Text(int) const { return node.id; }
  std::int64_t Number(int) const { return 0; }
  int Choice(int) const { return static_cast<int>(node.state); }
};

struct SlotSubject {
  const NodeRow& node;
  const SlotRow* slot;  // null: only the node is known yet
  std::string_view Text(int key) const {
    if (key == kSlotKeyNode) return node.id;
    return key == kSlotKeyName ? slot->ShownName() : slot->label;
  }
  std::int64_t Number(int) const { return slot->pid; }
  int Choice(int key) const {
    return key == kSlotKeyDoor ? static_cast<int>(slot->door)
                               : static_cast<int>(ShownState(node, *slot));
  }
};

struct ProgramSubject {
  const NodeRow& node;
  const ProgramTable::Rows::value_type* program;  // null: only the node is known yet
  std::string_view Text(int key) const {
    if (key == kProgramKeyNode) return node.id;
    return key == kProgramKeyName ? program->second.name : program->first;
  }
  const std::vector<std::string>& Texts(int) const { return program->second.labels; }
  std::int64_t Number(int) const { return 0; }
  int Choice(int) const { return static_cast<int>(program->second.state); }
};

std::string LabelOf(const SlotRow* row) { return row->label; }
std::string LabelOf(const ProgramTable::Rows::value_type& row) { return row.first; }

// The walk of VisitSlots and VisitPrograms. `fits` judges a node by itself; `look` takes a row, and
// stops the walk behind it with false.
template <typename Nodes, typename RowsOf, typename Fits, typename Look>
std::optional<RowKeyset> Walk(const Nodes& nodes, const RowKeyset& after, size_t budget,
                              RowsOf rows_of, Fits fits, Look look) {
  for (auto node = nodes.lower_bound(after.node); node != nodes.end(); ++node) {
    const NodeRow& row = node->second.row;
    const auto& rows = rows_of(node->second);
    const bool resumed = row.id == after.node;
    // Going on from an empty label is going on from the node's first row.
    auto it = resumed ? rows.upper_bound(std::string_view(after.label)) : rows.begin();
    if (budget-- == 0) return resumed ? after : RowKeyset{row.id, ""};
    if (!fits(row)) continue;
    for (; it != rows.end(); ++it) {
      if (!look(row, *it)) return RowKeyset{row.id, LabelOf(*it)};
      if (budget-- == 0) return RowKeyset{row.id, LabelOf(*it)};
    }
  }
  return std::nullopt;
}

std::unique_ptr<SlotRow> MakeRow(const v1::Slot& slot, MonoTime now) {
  auto row = std::make_unique<SlotRow>();
  row->label = slot.label();
  if (slot.name() != slot.label()) row->name = slot.name();
  row->generation = slot.incarnation().generation();
  row->start_ticks = slot.incarnation().start_ticks();
  row->pid = slot.incarnation().pid();
  row->uid = slot.uid();
  row->state = slot.state();
  row->door = slot.door();
  row->timeout = FromProto(slot.timeout());
  row->silence = FromProto(slot.silence());
  row->registered_at = FromProto(slot.registered_at());
  row->reported = now;
  row->digest = RowDigest(slot);
  row->extras = ExtrasOf(slot);
  return row;
}

}  // namespace

v1::SlotState ShownState(const NodeRow& node, const SlotRow& slot) {
  return node.state == NodeState::kLost ? v1::SLOT_STATE_STALE : slot.state;
}

FleetView::FleetView(MonoTime start) : start_(start) {}
FleetView::~FleetView() = default;

void FleetView::AddKnown(std::string_view node) {
  const auto [it, added] = nodes_.try_emplace(std::string(node));
  if (!added) return;
  it->second.row.id = it->first;
  it->second.row.last_heard = start_;
  Count(&it->second);
}

void FleetView::AddForgotten(std::string_view node) {
  AddKnown(node);
  (void)Forget(node);  // it was not CONNECTED a line ago
}

std::optional<NodeState> FleetView::BeginSession(std::string_view node, std::int64_t session_epoch,
                                                 NodeFacts facts, MonoTime now, Observed observed,
                                                 WallTime wall) {
  AddKnown(node);
  Entry& entry = nodes_.find(node)->second;
  std::optional<NodeState> before;
  if (entry.row.last_observed.has_value() || entry.row.state == NodeState::kForgotten) {
    before = entry.row.state;
  }
  Uncount(entry);
  entry.row.state = NodeState::kConnected;
  entry.row.facts = std::move(facts);
  entry.row.session_epoch = session_epoch;
  entry.row.connected_at = wall;
  entry.row.last_heard = now;
  entry.row.last_observed = observed;
  entry.row.events_waiting = 0;
  entry.row.vitals = {};
  entry.row.said_goodbye = false;
  entry.row.goodbye.clear();
  entry.digests = {};
  entry.staged = Table();
  entry.staging = false;
  entry.awaits_snapshot = true;
  Count(&entry);
  return before;
}

FleetView::Entry* FleetView::FindCurrent(std::string_view node, std::int64_t session_epoch) {
  const auto it = nodes_.find(node);
  if (it == nodes_.end() || it->second.row.session_epoch != session_epoch) return nullptr;
  return &it->second;
}

bool FleetView::Heard(std::string_view node, std::int64_t session_epoch, MonoTime now,
                      Observed observed) {
  Entry* entry = FindCurrent(node, session_epoch);
  if (entry == nullptr) return false;
  entry->row.last_heard = now;
  entry->row.last_observed = observed;
  return true;
}

void FleetView::SetEventsWaiting(std::string_view node, std::int64_t session_epoch,
                                 std::int64_t waiting) {
  if (Entry* entry = FindCurrent(node, session_epoch)) entry->row.events_waiting = waiting;
}

void FleetView::SetVitals(std::string_view node, std::int64_t session_epoch,
                          const NodeVitals& vitals) {
  if (Entry* entry = FindCurrent(node, session_epoch)) entry->row.vitals = vitals;
}

DigestWatch::Act FleetView::CheckDigest(std::string_view node, std::int64_t session_epoch,
                                        std::int64_t revision, std::uint64_t digest) {
  Entry* entry = FindCurrent(node, session_epoch);
  if (entry == nullptr || entry->staging || entry->awaits_snapshot || entry->revision != revision) {
    return DigestWatch::Act::kNone;
  }
  const auto act =
      entry->digests.Judge(digest == entry->table.digest + entry->table.programs.digest());
  if (act == DigestWatch::Act::kResync) entry->awaits_snapshot = true;
  return act;
}

std::optional<NodeState> FleetView::SayGoodbye(std::string_view node, std::int64_t session_epoch,
                                               std::string_view why) {
  Entry* entry = FindCurrent(node, session_epoch);
  if (entry == nullptr || entry->row.said_goodbye) return std::nullopt;
  const NodeState before = entry->row.state;
  Uncount(*entry);
  entry->row.state = NodeState::kDraining;
  entry->row.said_goodbye = true;
  entry->row.goodbye = std::string(why);
  Count(entry);
  return before;
}

FleetView::Forgot FleetView::Forget(std::string_view node) {
  const auto it = nodes_.find(node);
  if (it == nodes_.end()) return Forgot::kUnknown;
  Entry& entry = it->second;
  if (entry.row.state == NodeState::kForgotten) return Forgot::kAlready;
  if (entry.row.state == NodeState::kConnected) return Forgot::kConnected;
  Uncount(entry);
  entry.row.state = NodeState::kForgotten;
  DropRows(&entry);
  Count(&entry);
  return Forgot::kYes;
}

void FleetView::DropRows(Entry* entry) {
  entry->row.session_epoch = 0;
  entry->table = Table();
  entry->staged = Table();
  entry->staging = false;
}

void FleetView::Remove(Table* table, std::int64_t generation) {
  const auto it = table->rows.find(generation);
  if (it == table->rows.end()) return;
  if (InTrouble(it->second->state)) --table->in_trouble;
  table->digest -= it->second->digest;
  table->order.erase(it->second.get());
  table->rows.erase(it);
}

void FleetView::Upsert(Table* table, const v1::Slot& slot, bool replace, MonoTime now) {
  const std::int64_t generation = slot.incarnation().generation();
  const auto holder = table->order.find(std::string_view(slot.label()));
  const bool label_taken = holder != table->order.end() && (*holder)->generation != generation;
  if (slot.label().empty() || generation <= 0 || (label_taken && !replace)) {
    ++malformed_rows_;
    return;
  }
  // A new incarnation took the label before the old one's removal was told.
  if (label_taken) Remove(table, (*holder)->generation);
  Remove(table, generation);
  std::unique_ptr<SlotRow> row = MakeRow(slot, now);
  const std::string& boot = slot.incarnation().boot_id();
  // Rows of a node share one boot id string: take the first row's if it is the same.
  if (!table->order.empty() && *(*table->order.begin())->boot_id == boot) {
    row->boot_id = (*table->order.begin())->boot_id;
  } else {
    row->boot_id = std::make_shared<const std::string>(boot);
  }
  if (InTrouble(row->state)) ++table->in_trouble;
  table->digest += row->digest;
  table->order.insert(row.get());
  table->rows[generation] = std::move(row);
}

void FleetView::Upsert(Table* table, const v1::Program& program, bool replace) {
  if (!table->programs.Upsert(program, replace)) ++malformed_rows_;
}

FleetView::Applied FleetView::ApplySnapshot(std::string_view node, std::int64_t session_epoch,
                                            const v1::SnapshotChunk& piece, MonoTime now) {
  Entry* entry = FindCurrent(node, session_epoch);
  if (entry == nullptr) return Applied::kIgnored;
  if (!entry->staging || entry->staged_snapshot != piece.snapshot()) {
    entry->staged = Table();
    entry->staged_snapshot = piece.snapshot();
    entry->staging = true;
  }
  for (const v1::Slot& slot : piece.slots()) Upsert(&entry->staged, slot, /*replace=*/false, now);
  for (const v1::Program& program : piece.programs()) {
    Upsert(&entry->staged, program, /*replace=*/false);
  }
  if (entry->staged.TooLarge()) return Applied::kTooMany;
  if (!piece.last()) return Applied::kYes;
  Uncount(*entry);
  entry->table = std::exchange(entry->staged, Table());
  entry->staging = false;
  entry->awaits_snapshot = false;
  entry->revision = piece.revision();
  Count(entry);
  return Applied::kYes;
}

FleetView::Applied FleetView::ApplyDelta(std::string_view node, std::int64_t session_epoch,
                                         const v1::SlotDelta& delta, MonoTime now) {
  Entry* entry = FindCurrent(node, session_epoch);
  if (entry == nullptr || entry->staging || entry->awaits_snapshot) return Applied::kIgnored;
  if (delta.from_revision() != entry->revision) {
    entry->awaits_snapshot = true;
    return Applied::kResync;
  }
  Uncount(*entry);
  // Removes first: a label given up and taken again within one delta must end up taken.
  for (const std::int64_t generation : delta.removes()) Remove(&entry->table, generation);
  for (const v1::Slot& slot : delta.upserts()) Upsert(&entry->table, slot, /*replace=*/true, now);
  for (const std::string& label : delta.program_removes()) entry->table.programs.Remove(label);
  for (const v1::Program& program : delta.program_upserts()) {
    Upsert(&entry->table, program, /*replace=*/true);
  }
  entry->revision = delta.to_revision();
  Count(entry);
  return entry->table.TooLarge() ? Applied::kTooMany : Applied::kYes;
}

void FleetView::Uncount(const Entry& entry) {
  const NodeRow& row = entry.row;
  summary_.slots -= row.slots;
  switch (row.state) {
    case NodeState::kConnected:
      --summary_.connected;
      break;
    case NodeState::kSuspect:
      --summary_.suspect;
      break;
    case NodeState::kLost:
      --summary_.lost;
      summary_.stale -= row.slots;
      return;
    case NodeState::kDraining:
      --summary_.draining;
      break;
    case NodeState::kForgotten:
      return;  // it has no rows
  }
  summary_.in_trouble -= row.in_trouble;
}

void FleetView::Count(Entry* entry) {
  NodeRow& row = entry->row;
  row.slots = static_cast<std::int32_t>(entry->table.rows.size());
  row.in_trouble = entry->table.in_trouble;
  summary_.slots += row.slots;
  switch (row.state) {
    case NodeState::kConnected:
      ++summary_.connected;
      break;
    case NodeState::kSuspect:
      ++summary_.suspect;
      break;
    case NodeState::kLost:
      ++summary_.lost;
      summary_.stale += row.slots;
      return;
    case NodeState::kDraining:
      ++summary_.draining;
      break;
    case NodeState::kForgotten:
      return;  // it has no rows
  }
  summary_.in_trouble += row.in_trouble;
}

std::vector<StateChange> FleetView::JudgeNodes(const Liveness& liveness) {
  std::vector<StateChange> changes;
  hearing_ = {};
  for (auto& [id, entry] : nodes_) {
    if (entry.row.state == NodeState::kForgotten) continue;  // until a new session
    const NodeState now = liveness.Judge(entry.row.last_observed, entry.row.said_goodbye);
    if (now == NodeState::kConnected) {
      ++hearing_.connected;
      hearing_.missed_one += liveness.MissedOne(*entry.row.last_observed) ? 1 : 0;
    }
    if (now == entry.row.state) continue;
    changes.push_back({id, entry.row.state, now});
    Uncount(entry);
    entry.row.state = now;
    if (now == NodeState::kForgotten) DropRows(&entry);
    Count(&entry);
  }
  return changes;
}

const NodeRow* FleetView::FindNode(std::string_view node) const {
  const auto it = nodes_.find(node);
  return it == nodes_.end() ? nullptr : &it->second.row;
}

void FleetView::VisitNodes(const Filter& filter, std::string_view after,
                           const std::function<bool(const NodeRow&)>& visit) const {
  // Who asks for the fleet does not mean those that were given up.
  const bool with_forgotten =
      std::any_of(filter.terms().begin(), filter.terms().end(),
                  [](const FilterTerm& term) { return term.key == kNodeKeyState; });
  for (auto it = nodes_.upper_bound(after); it != nodes_.end(); ++it) {
    if (it->second.row.state == NodeState::kForgotten && !with_forgotten) continue;
    if (filter.Matches(NodeSubject{it->second.row}) && !visit(it->second.row)) return;
  }
}

std::optional<RowKeyset> FleetView::VisitSlots(
    const Filter& filter, const RowKeyset& after, size_t budget,
    const std::function<bool(const NodeRow&, const SlotRow&)>& visit) const {
  return Walk(
      nodes_, after, budget, [](const Entry& entry) -> const auto& { return entry.table.order; },
      [&](const NodeRow& node) {
        return filter.MatchesKey(kSlotKeyNode, SlotSubject{node, nullptr});
      },
      [&](const NodeRow& node, const SlotRow* slot) {
        return !filter.Matches(SlotSubject{node, slot}) || visit(node, *slot);
      });
}

std::optional<RowKeyset> FleetView::VisitPrograms(
    const Filter& filter, const RowKeyset& after, size_t budget,
    const std::function<bool(const NodeRow&, const ProgramRow&)>& visit) const {
  return Walk(
      nodes_, after, budget,
      [](const Entry& entry) -> const auto& { return entry.table.programs.rows(); },
      [&](const NodeRow& node) {
        return filter.MatchesKey(kProgramKeyNode, ProgramSubject{node, nullptr});
      },
      [&](const NodeRow& node, const ProgramTable::Rows::value_type& program) {
        return !filter.Matches(ProgramSubject{node, &program}) || visit(node, program.second);
      });
}

}  // namespace procctl::controller
