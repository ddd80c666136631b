#include "controller/core/fleet_view.h"

#include <algorithm>
#include <utility>

#include "proto/support/filter_schemas.h"

namespace procctl::controller {
namespace {

struct NodeSubject {
  const NodeRow& node;
  std::string_view Text(int key) const {
    switch (key) {
      case kNodeKeyVersion:
        return node.facts.software_version;
      case kNodeKeyHostname:
        return node.facts.hostname;
      case kNodeKeyMode:
        return node.facts.mode;
      default:
        return node.id;
    }
  }
  std::int64_t Number(int) const { return 0; }
  int Choice(int) const { return static_cast<int>(node.state); }
};

struct SlotSubject {
  const SlotQuery& query;
  const NodeRow& node;
  const SlotRow& slot;
  std::string_view Text(int key) const {
    switch (static_cast<SlotKey>(key)) {
      case kSlotKeyNode:
        return node.id;
      case kSlotKeyName:
        return slot.name;
      case kSlotKeyProgram:
        return slot.program;
      default:
        return slot.label;
    }
  }
  NumberRange Number(int key) const {
    switch (static_cast<SlotKey>(key)) {
      case kSlotKeyPid:
        return slot.pid;
      case kSlotKeyUid:
        return slot.uid;
      case kSlotKeyAge:
        return slot.Age(query.wall_now);
      case kSlotKeySilence:
        // Nothing is known of the silence of what is not heard.
        if (FreshnessOf(node.state) != Freshness::kFresh) return {};
        return slot.Silence(query.now);
      default:
        return {};  // usage
    }
  }
  int Choice(int key) const {
    return key == kSlotKeyDoor ? static_cast<int>(slot.door)
                               : static_cast<int>(ShownState(node, slot));
  }
};

// A node for all its slots.
struct NodeOfSlots {
  const NodeRow& node;
  const SlotTable& slots;
  std::optional<std::string_view> Text(int key) const {
    if (key == kSlotKeyNode) return node.id;
    return std::nullopt;
  }
  bool MayEqual(int key, std::string_view text) const {
    if (key == kSlotKeyName) return slots.HasName(text);
    return key != kSlotKeySlot || slots.HasLabel(text);
  }
  bool MayFit(int key, const Glob& glob) const {
    return key != kSlotKeyName || slots.HasNameLike(glob);
  }
  NumberRange Number(int) const { return {}; }
  ChoiceSet Choice(int key) const {
    if (key != kSlotKeyState) return ChoiceSet().set();
    if (FreshnessOf(node.state) != Freshness::kFresh) return ChoiceSet().set(v1::SLOT_STATE_STALE);
    ChoiceSet states;
    for (size_t i = 0; i < SlotTable::kStates; ++i) {
      // At 0 are states unknown to this version, which are no choice of the filter's.
      if (slots.states()[i] > 0) states.set(i == 0 ? states.size() - 1 : i);
    }
    return states;
  }
};

// A node of whose rows nothing is known but that they are its own.
struct NodeAlone {
  const NodeRow& node;
  int node_key;
  std::optional<std::string_view> Text(int key) const {
    if (key == node_key) return node.id;
    return std::nullopt;
  }
  NumberRange Number(int) const { return {}; }
  ChoiceSet Choice(int) const { return ChoiceSet().set(); }
};

struct ProgramSubject {
  const NodeRow& node;
  const ProgramTable::Rows::value_type& program;
  std::string_view Text(int key) const {
    if (key == kProgramKeyNode) return node.id;
    return key == kProgramKeyName ? program.second.name : program.first;
  }
  const std::vector<std::string>& Texts(int) const { return program.second.labels; }
  std::int64_t Number(int) const { return 0; }
  int Choice(int) const { return static_cast<int>(program.second.state); }
};

std::string LabelOf(const SlotRow* row) { return std::string(row->label); }
std::string LabelOf(const ProgramTable::Rows::value_type& row) { return row.first; }

// Names are shorter than rows: so many of them cost as much as looking at one.
constexpr size_t kNamesPerRow = 16;

// The walk of VisitSlots, CountSlots and VisitPrograms. `fits` judges a node as a whole, at a cost
// besides that of the node itself; `look` takes a row, and stops the walk behind it with false.
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
    const bool whole = it == rows.begin();
    size_t cost = 0;
    const bool fit = fits(node->second, whole, &cost);
    budget -= std::min(budget, cost);
    if (!fit) continue;
    for (; it != rows.end(); ++it) {
      if (!look(row, *it)) return RowKeyset{row.id, LabelOf(*it)};
      if (budget-- == 0) return RowKeyset{row.id, LabelOf(*it)};
    }
  }
  return std::nullopt;
}

}  // namespace

v1::SlotState ShownState(const NodeRow& node, const SlotRow& slot) {
  return FreshnessOf(node.state) == Freshness::kFresh ? slot.state : v1::SLOT_STATE_STALE;
}

Freshness FreshnessOf(NodeState state) {
  switch (state) {
    case NodeState::kConnected:
      return Freshness::kFresh;
    case NodeState::kSuspect:
    case NodeState::kDraining:
      return Freshness::kStale;
    case NodeState::kLost:
    case NodeState::kForgotten:
      break;
  }
  return Freshness::kUnknown;
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
      entry->digests.Judge(digest == entry->table.slots.digest() + entry->table.programs.digest());
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
  entry->staged = Table();
  NoteReplaced(*entry);  // by nothing
  entry->table = Table();
  entry->staging = false;
}

void FleetView::Upsert(Table* table, const v1::Slot& slot, bool replace, MonoTime now) {
  if (!table->slots.Upsert(slot, replace, now)) ++malformed_rows_;
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
  NoteReplaced(*entry);
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
  Note(*entry, delta);
  Uncount(*entry);
  // Removes first: a label given up and taken again within one delta must end up taken.
  for (const std::int64_t generation : delta.removes()) {
    entry->table.slots.Remove(generation);
  }
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
      summary_.stale -= row.slots;
      break;
    case NodeState::kLost:
      --summary_.lost;
      summary_.stale -= row.slots;
      return;
    case NodeState::kDraining:
      --summary_.draining;
      summary_.stale -= row.slots;
      break;
    case NodeState::kForgotten:
      return;  // it has no rows
  }
  summary_.in_trouble -= row.in_trouble;
}

void FleetView::Count(Entry* entry) {
  NodeRow& row = entry->row;
  if (entry->noted_state != row.state) {
    entry->noted_state = row.state;
    if (changes_ != nullptr) changes_->State(row.id);
  }
  row.slots = static_cast<std::int32_t>(entry->table.slots.size());
  row.in_trouble = entry->table.slots.in_trouble();
  summary_.slots += row.slots;
  switch (row.state) {
    case NodeState::kConnected:
      ++summary_.connected;
      break;
    case NodeState::kSuspect:
      ++summary_.suspect;
      summary_.stale += row.slots;
      break;
    case NodeState::kLost:
      ++summary_.lost;
      summary_.stale += row.slots;
      return;
    case NodeState::kDraining:
      ++summary_.draining;
      summary_.stale += row.slots;
      break;
    case NodeState::kForgotten:
      return;  // it has no rows
  }
  summary_.in_trouble += row.in_trouble;
}

void FleetView::Note(const Entry& entry, const v1::SlotDelta& delta) {
  if (changes_ == nullptr) return;
  for (const std::int64_t generation : delta.removes()) changes_->Row(entry.row.id, generation);
  for (const v1::Slot& slot : delta.upserts()) {
    changes_->Row(entry.row.id, slot.incarnation().generation());
    // Who held the label until now ends with it.
    const auto holder = entry.table.slots.order().find(std::string_view(slot.label()));
    if (holder != entry.table.slots.order().end()) {
      changes_->Row(entry.row.id, (*holder)->generation);
    }
  }
}

void FleetView::NoteReplaced(const Entry& entry) {
  if (changes_ == nullptr) return;
  changes_->AllRows(entry.row.id);
  for (const SlotRow* row : entry.table.slots.order()) {
    if (entry.staged.slots.Find(row->generation) == nullptr) {
      changes_->Row(entry.row.id, row->generation);
    }
  }
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

const SlotRow* FleetView::FindSlot(std::string_view node, std::string_view label) const {
  const auto it = nodes_.find(node);
  if (it == nodes_.end()) return nullptr;
  const auto row = it->second.table.slots.order().find(label);
  return row == it->second.table.slots.order().end() ? nullptr : *row;
}

const ProgramRow* FleetView::FindProgram(std::string_view node, std::string_view label) const {
  const auto it = nodes_.find(node);
  if (it == nodes_.end()) return nullptr;
  const auto row = it->second.table.programs.rows().find(label);
  return row == it->second.table.programs.rows().end() ? nullptr : &row->second;
}

bool Matches(const Filter& filter, const NodeRow& node, const SlotRow& slot) {
  return filter.Matches(SlotSubject{SlotQuery(), node, slot});
}

bool MayMatch(const Filter& filter, const NodeRow& node) {
  return filter.Judge(NodeAlone{node, kSlotKeyNode}) != Match::kNo;
}

void FleetView::VisitNodes(const Filter& filter, std::string_view after,
                           const std::function<bool(const NodeRow&)>& visit) const {
  // Who asks for the fleet does not mean those that were given up.
  const bool with_forgotten = filter.Uses(kNodeKeyState);
  for (auto it = nodes_.upper_bound(after); it != nodes_.end(); ++it) {
    if (it->second.row.state == NodeState::kForgotten && !with_forgotten) continue;
    if (filter.Matches(NodeSubject{it->second.row}) && !visit(it->second.row)) return;
  }
}

std::optional<RowKeyset> FleetView::VisitSlots(
    const SlotQuery& query, const RowKeyset& after, size_t budget,
    const std::function<bool(const NodeRow&, const SlotRow&)>& visit) const {
  const Match enough = query.maybe ? Match::kMaybe : Match::kYes;
  bool all = false;
  return Walk(
      nodes_, after, budget,
      [](const Entry& entry) -> const auto& { return entry.table.slots.order(); },
      [&](const Entry& entry, bool, size_t* cost) {
        *cost = entry.table.slots.names().size() / kNamesPerRow;
        const Match match = query.filter->Judge(NodeOfSlots{entry.row, entry.table.slots});
        all = match == Match::kYes;
        return match != Match::kNo;
      },
      [&](const NodeRow& node, const SlotRow* slot) {
        const bool fits = all || query.filter->Judge(SlotSubject{query, node, *slot}) >= enough;
        return !fits || visit(node, *slot);
      });
}

std::optional<RowKeyset> FleetView::CountSlots(
    const SlotQuery& query, const RowKeyset& after, size_t budget,
    const std::function<void(const NodeRow&, const SlotTable&)>& visit_all,
    const std::function<void(const NodeRow&, const SlotRow&)>& visit) const {
  bool all = false;
  return Walk(
      nodes_, after, budget,
      [](const Entry& entry) -> const auto& { return entry.table.slots.order(); },
      [&](const Entry& entry, bool whole, size_t* cost) {
        *cost = entry.table.slots.names().size() / kNamesPerRow;
        const Match match = query.filter->Judge(NodeOfSlots{entry.row, entry.table.slots});
        all = match == Match::kYes;
        if (!all || !whole || !visit_all) return match != Match::kNo;
        visit_all(entry.row, entry.table.slots);
        return false;
      },
      [&](const NodeRow& node, const SlotRow* slot) {
        if (all || query.filter->Matches(SlotSubject{query, node, *slot})) visit(node, *slot);
        return true;
      });
}

const SlotRow* FleetView::FindSlot(std::string_view node, std::int64_t generation) const {
  const auto it = nodes_.find(node);
  return it == nodes_.end() ? nullptr : it->second.table.slots.Find(generation);
}

std::optional<RowKeyset> FleetView::VisitPrograms(
    const Filter& filter, const RowKeyset& after, size_t budget,
    const std::function<bool(const NodeRow&, const ProgramRow&)>& visit) const {
  return Walk(
      nodes_, after, budget,
      [](const Entry& entry) -> const auto& { return entry.table.programs.rows(); },
      [&](const Entry& entry, bool, size_t*) {
        return filter.Judge(NodeAlone{entry.row, kProgramKeyNode}) != Match::kNo;
      },
      [&](const NodeRow& node, const ProgramTable::Rows::value_type& program) {
        return !filter.Matches(ProgramSubject{node, program}) || visit(node, program.second);
      });
}

}  // namespace procctl::controller
