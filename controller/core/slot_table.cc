#include "controller/core/slot_table.h"

#include <algorithm>
#include <utility>

#include "absl/strings/string_view.h"

namespace procctl::controller {
namespace {

// Starting and long work are what a process said it would do; all else but ALIVE and QUIET needs
// somebody's attention.
bool InTrouble(size_t state) {
  return state != v1::SLOT_STATE_ALIVE && state != v1::SLOT_STATE_QUIET &&
         state != v1::SLOT_STATE_STARTING && state != v1::SLOT_STATE_BUSY;
}

size_t IndexOf(v1::SlotState state) {
  const auto index = static_cast<size_t>(state);
  return index < SlotTable::kStates ? index : 0;
}

// Debian's absl::string_view is a type of its own.
absl::string_view AbslView(std::string_view text) { return {text.data(), text.size()}; }

}  // namespace

bool SlotTable::Upsert(const v1::Slot& slot, bool replace, MonoTime now) {
  if (!SlotRow::IsWellFormed(slot)) return false;
  const auto holder = order_.find(std::string_view(slot.label()));
  const std::int64_t generation = slot.incarnation().generation();
  if (holder != order_.end() && (*holder)->generation != generation) {
    if (!replace) return false;
    // A new incarnation took the label before the old one's removal was told.
    Remove((*holder)->generation);
  }
  Remove(generation);
  auto row = std::make_unique<const SlotRow>(slot, now);
  ++states_[IndexOf(row->state)];
  digest_ += row->digest;
  ++names_[AbslView(row->name)];
  order_.insert(row.get());
  rows_[generation] = std::move(row);
  return true;
}

void SlotTable::Remove(std::int64_t generation) {
  const auto it = rows_.find(generation);
  if (it == rows_.end()) return;
  const SlotRow& row = *it->second;
  --states_[IndexOf(row.state)];
  digest_ -= row.digest;
  const auto name = names_.find(AbslView(row.name));
  if (--name->second == 0) names_.erase(name);
  order_.erase(it->second.get());
  rows_.erase(it);
}

const SlotRow* SlotTable::Find(std::int64_t generation) const {
  const auto it = rows_.find(generation);
  return it == rows_.end() ? nullptr : it->second.get();
}

std::int32_t SlotTable::in_trouble() const {
  std::int32_t sum = 0;
  for (size_t state = 0; state < states_.size(); ++state) {
    if (InTrouble(state)) sum += states_[state];
  }
  return sum;
}

bool SlotTable::HasName(std::string_view name) const { return names_.contains(AbslView(name)); }

bool SlotTable::HasNameLike(const Glob& glob) const {
  return std::any_of(names_.begin(), names_.end(),
                     [&](const auto& entry) { return glob.Matches(entry.first); });
}

}  // namespace procctl::controller
