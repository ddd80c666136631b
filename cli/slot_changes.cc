#include "cli/slot_changes.h"

namespace procctl::cli {

std::vector<SlotChange> SlotChanges::Take(const v1::WatchResponse& message) {
  std::vector<SlotChange> changes;
  switch (message.message_case()) {
    case v1::WatchResponse::kSnapshot:
      TakeRows(message.snapshot(), &changes);
      break;
    case v1::WatchResponse::kSnapshotEnd:
      EndSnapshot(&changes);
      break;
    case v1::WatchResponse::kChanges:
      TakeRows(message.changes(), &changes);
      break;
    case v1::WatchResponse::kResync: {
      // A snapshot that was under way begins again too.
      in_snapshot_ = true;
      named_.clear();
      SlotChange& change = changes.emplace_back();
      change.what = SlotChange::What::kResync;
      change.reason = message.resync().reason();
      break;
    }
    case v1::WatchResponse::kEvents:
    case v1::WatchResponse::kBookmark:
    case v1::WatchResponse::MESSAGE_NOT_SET:
      break;
  }
  return changes;
}

void SlotChanges::TakeRows(const v1::WatchRows& rows, std::vector<SlotChange>* changes) {
  for (const v1::Node& node : rows.nodes()) {
    v1::NodeState& known = nodes_[node.id()];
    if (known == node.state()) continue;
    SlotChange& change = changes->emplace_back();
    change.what = SlotChange::What::kNode;
    change.node = node.id();
    change.node_from = known;
    change.node_to = node.state();
    change.node_row = &node;
    known = node.state();
  }
  for (const v1::WatchRowKey& key : rows.removes()) {
    const auto it = rows_.find({key.node(), key.generation()});
    if (it == rows_.end()) continue;
    changes->push_back(Gone(it->first, it->second));
    named_.erase(it->first);
    rows_.erase(it);
  }
  for (const v1::FleetSlot& row : rows.upserts()) Upsert(row, changes);
}

void SlotChanges::Upsert(const v1::FleetSlot& row, std::vector<SlotChange>* changes) {
  const v1::Slot& slot = row.slot();
  Key key{row.node(), slot.incarnation().generation()};
  SlotChange& change = changes->emplace_back();
  change.node = row.node();
  change.label = slot.label();
  change.pid = slot.incarnation().pid();
  change.to = slot.state();
  change.row = &row;
  change.initial = !whole_;
  if (const auto it = rows_.find(key); it != rows_.end()) change.from = it->second.state;
  nodes_[row.node()] = row.node_state();
  if (in_snapshot_) named_[key] = true;
  rows_[std::move(key)] = {slot.label(), slot.incarnation().pid(), slot.state()};
}

void SlotChanges::EndSnapshot(std::vector<SlotChange>* changes) {
  for (auto it = rows_.begin(); it != rows_.end();) {
    if (named_.contains(it->first)) {
      ++it;
      continue;
    }
    changes->push_back(Gone(it->first, it->second));
    it = rows_.erase(it);
  }
  named_.clear();
  in_snapshot_ = false;
  whole_ = true;
}

SlotChange SlotChanges::Gone(const Key& key, const Row& row) {
  SlotChange change;
  change.node = key.first;
  change.label = row.label;
  change.pid = row.pid;
  change.from = row.state;
  return change;
}

}  // namespace procctl::cli
