// Rows of slots as they go over the wire: v1::FleetSlot written from its packed parts, at a tenth
// of what building the message costs.
#pragma once

#include <string>

#include "controller/core/fleet_view.h"

namespace procctl::controller {

// For the rows of one moment; what they say of a node is made once for all its rows that come one
// after the other. One thread; does not outlive the hold of the lock that its nodes are read under.
class SlotWire {
 public:
  SlotWire(MonoTime now, WallTime wall_now) : now_(now), wall_now_(wall_now) {}

  // Appends the serialised v1::FleetSlot.
  void Append(const NodeRow& node, const SlotRow& slot, std::string* out);
  // The same as an element of a repeated field: with its tag and length.
  void AppendField(int field, const NodeRow& node, const SlotRow& slot, std::string* out);

 private:
  void TurnTo(const NodeRow& node);
  // The bytes that are this row's own.
  const std::string& OwnPart(const SlotRow& slot);

  const MonoTime now_;
  const WallTime wall_now_;
  const NodeRow* node_ = nullptr;
  bool fresh_ = false;
  std::string head_;  // node
  std::string tail_;  // node_state, age, freshness, known_at
  std::string own_;
};

}  // namespace procctl::controller
