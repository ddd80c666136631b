// What a watch of slots has seen, so that a change can be told as "from -> to": also across a new
// snapshot, after which only what differs is news. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "procctl/v1/fleet_service.pb.h"

namespace procctl::cli {

struct SlotChange {
  enum class What { kSlot, kNode, kResync };
  What what = What::kSlot;
  std::string node;
  // kSlot. Without `from` the row is new here, without `to` it has ended or matches no more.
  std::string label;
  int pid = 0;
  std::optional<v1::SlotState> from;
  std::optional<v1::SlotState> to;
  // It was there when the watch began.
  bool initial = false;
  // kNode; UNSPECIFIED where it was not known before.
  v1::NodeState node_from = v1::NODE_STATE_UNSPECIFIED;
  v1::NodeState node_to = v1::NODE_STATE_UNSPECIFIED;
  // kResync
  std::string reason;
  // As the message has it; null for what has ended. Live as long as the message.
  const v1::FleetSlot* row = nullptr;
  const v1::Node* node_row = nullptr;

  // False: the same row was sent again.
  bool ChangesState() const { return what != What::kSlot || from != to; }
};

class SlotChanges {
 public:
  std::vector<SlotChange> Take(const v1::WatchResponse& message);

 private:
  struct Row {
    std::string label;
    int pid = 0;
    v1::SlotState state = v1::SLOT_STATE_UNSPECIFIED;
  };
  using Key = std::pair<std::string, std::int64_t>;

  void Upsert(const v1::FleetSlot& row, std::vector<SlotChange>* changes);
  void TakeRows(const v1::WatchRows& rows, std::vector<SlotChange>* changes);
  void EndSnapshot(std::vector<SlotChange>* changes);
  static SlotChange Gone(const Key& key, const Row& row);

  std::map<Key, Row> rows_;
  std::map<std::string, v1::NodeState> nodes_;
  // While a snapshot is under way: those that it, or a change since it began, has named.
  bool in_snapshot_ = true;
  bool whole_ = false;  // one was complete
  std::map<Key, bool> named_;
};

}  // namespace procctl::cli
