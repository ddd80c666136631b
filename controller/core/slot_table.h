// The slot rows of one node: owned by generation (how the node removes them), ordered by label (how
// people list them), counted by state and name (how lists skip a node without looking at its rows).
// Pure data; FleetView holds one for each node.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/container/btree_set.h"
#include "absl/container/flat_hash_map.h"
#include "controller/core/slot_row.h"
#include "proto/support/glob.h"

namespace procctl::controller {

class SlotTable {
 public:
  struct ByLabel {
    using is_transparent = void;
    static std::string_view Label(const SlotRow* row) { return row->label; }
    static std::string_view Label(std::string_view label) { return label; }
    template <typename A, typename B>
    bool operator()(const A& a, const B& b) const {
      return Label(a) < Label(b);
    }
  };
  using Order = absl::btree_set<const SlotRow*, ByLabel>;

  // Row counts by v1::SlotState; at 0 those of states that this version does not know.
  static constexpr size_t kStates = 16;
  using StateCounts = std::array<std::int32_t, kStates>;

  // False: the row is left out, because it is malformed or, unless `replace`, its label is taken. A
  // row of the same generation or label is replaced.
  bool Upsert(const v1::Slot& slot, bool replace, MonoTime now);
  void Remove(std::int64_t generation);

  size_t size() const { return rows_.size(); }
  const Order& order() const { return order_; }
  // Null: there is none (any more).
  const SlotRow* Find(std::int64_t generation) const;

  // Of all rows together (proto/support/row_digest.h).
  std::uint64_t digest() const { return digest_; }

  const StateCounts& states() const { return states_; }
  // Rows in any state but ALIVE, QUIET, STARTING and BUSY.
  std::int32_t in_trouble() const;
  // How many rows have each name.
  const absl::flat_hash_map<std::string, std::int32_t>& names() const { return names_; }
  bool HasName(std::string_view name) const;
  bool HasLabel(std::string_view label) const { return order_.contains(label); }
  bool HasNameLike(const Glob& glob) const;

 private:
  absl::flat_hash_map<std::int64_t, std::unique_ptr<const SlotRow>> rows_;
  Order order_;
  StateCounts states_{};
  std::uint64_t digest_ = 0;
  absl::flat_hash_map<std::string, std::int32_t> names_;
};

}  // namespace procctl::controller
