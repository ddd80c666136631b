// The rows of one simulated node: eight bytes a slot, made into messages when they are reported.
// Pure: randomness comes in.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "procctl/v1/detail.pb.h"
#include "procctl/v1/node_service.pb.h"

namespace procctl::fleetsim {

class SlotTable {
 public:
  // The first `programs` of the `slots` are processes of programs. `epoch` keeps generations of two
  // runs apart; times are wall time in nanoseconds.
  SlotTable(std::string boot_id, std::int64_t epoch, std::uint32_t slots, std::uint32_t programs,
            std::int64_t now_ns);

  std::uint32_t size() const { return static_cast<std::uint32_t>(rows_.size()); }
  const std::string& boot_id() const { return boot_id_; }
  std::int64_t revision() const { return revision_; }

  // One slot changes: mostly between ALIVE and QUIET, one change in eight is a new process.
  void Churn(double which, double how);
  // Its process ended, another of the same name registered.
  void Restart(std::uint32_t slot);
  void SetHold(std::uint32_t slot, bool held);

  // A new snapshot; pieces follow until one is the last. Changes from here on wait for a delta.
  void BeginSnapshot();
  bool SnapshotUnderWay() const { return snapshot_next_.has_value(); }
  void FillPiece(v1::SnapshotChunk* piece);

  bool HasChanges() const { return !dirty_.empty(); }
  // What changed since the last report, as far as one message holds it.
  void FillDelta(v1::SlotDelta* delta);

  std::optional<std::uint32_t> FindLabel(std::string_view label) const;
  std::optional<std::uint32_t> FindGeneration(std::int64_t generation) const;
  std::int64_t Generation(std::uint32_t slot) const { return GenerationOf(rows_[slot].life); }
  static std::string Label(std::uint32_t slot);
  // Empty where the slot is of no program.
  std::string ProgramLabel(std::uint32_t slot) const;
  void FillSlot(std::uint32_t slot, v1::Slot* row) const;
  void FillIncarnation(std::uint32_t slot, v1::Incarnation* incarnation) const;
  // Plausible, and the same for the same life of a slot.
  v1::Usage UsageOf(std::uint32_t slot) const;

 private:
  struct Row {
    std::uint32_t life;  // number of its registration on this node
    std::uint8_t state;
    bool held;
    bool dirty;
  };
  struct Change {
    std::uint32_t slot;
    std::uint32_t gone;  // the life that ended; 0: none, only the row changed
  };
  std::int64_t GenerationOf(std::uint32_t life) const;
  void Touch(std::uint32_t slot, std::uint32_t gone);
  void FillProgram(std::uint32_t slot, v1::Program* program) const;

  const std::string boot_id_;
  const std::int64_t generation_base_;
  const std::int64_t began_ns_;
  const std::uint32_t programs_;
  std::vector<Row> rows_;
  std::vector<Change> dirty_;
  std::uint32_t lives_ = 0;
  std::int64_t revision_ = 1;
  std::int64_t snapshot_ = 0;
  std::optional<std::uint32_t> snapshot_next_;
};

}  // namespace procctl::fleetsim
