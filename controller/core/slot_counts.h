// How many slots there are, grouped by one or two keys. Pure data, one thread.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "controller/core/fleet_view.h"

namespace procctl::controller {

class SlotCounts {
 public:
  // More would cost more memory than an answer is worth: the counts are not complete then.
  static constexpr size_t kMostGroups = 200'000;

  // At most two of node, state, name, program, door, uid, freshness. INVALID_ARGUMENT says which is
  // none of these.
  static absl::StatusOr<SlotCounts> By(const std::vector<std::string>& keys);

  void Add(const NodeRow& node, const SlotRow& slot);

  // A node's counts alone answer for all its rows, so that it need not be walked.
  bool TakesWholeNodes() const;
  void AddAll(const NodeRow& node, const SlotTable& slots);

  bool full() const { return groups_.size() > kMostGroups; }

  struct Group {
    std::vector<std::string> values;  // in the order of the keys
    std::int64_t slots = 0;
  };
  struct Result {
    std::vector<Group> groups;  // the largest first, then by their values
    std::int64_t others = 0;    // slots in groups beyond the limit
    std::int64_t total = 0;
  };
  Result Take(size_t limit);

 private:
  enum class Key { kNode, kState, kName, kProgram, kDoor, kUid, kFreshness };
  using Values = std::array<std::string, 2>;

  static std::string ValueOf(Key key, const NodeRow& node, const SlotRow& slot);
  void AddGroup(const NodeRow& node, Key own, std::string_view own_value, std::int64_t slots);
  bool Has(Key key) const;

  std::vector<Key> keys_;
  absl::flat_hash_map<Values, std::int64_t> groups_;
  std::int64_t total_ = 0;
};

}  // namespace procctl::controller
