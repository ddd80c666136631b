#include "controller/core/slot_counts.h"

#include <algorithm>
#include <string_view>

#include "proto/support/filter_schemas.h"
#include "proto/support/nearest_name.h"
#include "spdlog/fmt/fmt.h"

namespace procctl::controller {
namespace {

// By number of SlotCounts::Key.
const std::vector<std::string>& KeyNames() {
  static const auto* names =
      new std::vector<std::string>{"node", "state", "name", "program", "door", "uid", "freshness"};
  return *names;
}

// As filters spell it.
std::string Word(SlotKey key, int number) {
  const auto& choices = SlotFilterSchema()[static_cast<size_t>(key)].choices;
  const auto index = static_cast<size_t>(number);
  return index < choices.size() && !choices[index].empty() ? choices[index]
                                                           : std::to_string(number);
}

std::string_view Word(Freshness freshness) {
  switch (freshness) {
    case Freshness::kFresh:
      return "fresh";
    case Freshness::kStale:
      return "stale";
    case Freshness::kUnknown:
      break;
  }
  return "unknown";
}

}  // namespace

absl::StatusOr<SlotCounts> SlotCounts::By(const std::vector<std::string>& keys) {
  SlotCounts counts;
  if (keys.size() > std::tuple_size_v<Values>) {
    return absl::InvalidArgumentError(
        fmt::format("group_by has {} keys; it may have one or two", keys.size()));
  }
  for (const std::string& name : keys) {
    const auto known = std::find(KeyNames().begin(), KeyNames().end(), name);
    if (known == KeyNames().end()) {
      const std::string nearest = NearestName(KeyNames(), name);
      return absl::InvalidArgumentError(
          fmt::format("group_by: there is no key \"{}\" here;{} keys are {}", name,
                      nearest.empty() ? "" : fmt::format(" did you mean {}?", nearest),
                      fmt::join(KeyNames(), ", ")));
    }
    const Key key = static_cast<Key>(known - KeyNames().begin());
    if (counts.Has(key)) {
      return absl::InvalidArgumentError(fmt::format("group_by has the key {} twice", name));
    }
    counts.keys_.push_back(key);
  }
  return counts;
}

bool SlotCounts::Has(Key key) const {
  return std::find(keys_.begin(), keys_.end(), key) != keys_.end();
}

std::string SlotCounts::ValueOf(Key key, const NodeRow& node, const SlotRow& slot) {
  switch (key) {
    case Key::kNode:
      return node.id;
    case Key::kState:
      return Word(kSlotKeyState, ShownState(node, slot));
    case Key::kName:
      return std::string(slot.name);
    case Key::kProgram:
      return std::string(slot.program);
    case Key::kDoor:
      return Word(kSlotKeyDoor, slot.door);
    case Key::kUid:
      return std::to_string(slot.uid);
    case Key::kFreshness:
      return std::string(Word(FreshnessOf(node.state)));
  }
  return "";
}

void SlotCounts::Add(const NodeRow& node, const SlotRow& slot) {
  Values values;
  for (size_t i = 0; i < keys_.size(); ++i) values[i] = ValueOf(keys_[i], node, slot);
  ++groups_[std::move(values)];
  ++total_;
}

bool SlotCounts::TakesWholeNodes() const {
  return !Has(Key::kProgram) && !Has(Key::kDoor) && !Has(Key::kUid) &&
         !(Has(Key::kState) && Has(Key::kName));
}

void SlotCounts::AddGroup(const NodeRow& node, Key own, std::string_view own_value,
                          std::int64_t slots) {
  if (slots == 0) return;
  Values values;
  for (size_t i = 0; i < keys_.size(); ++i) {
    if (keys_[i] == own) {
      values[i] = own_value;
    } else {
      values[i] = keys_[i] == Key::kNode ? node.id : Word(FreshnessOf(node.state));
    }
  }
  groups_[std::move(values)] += slots;
  total_ += slots;
}

void SlotCounts::AddAll(const NodeRow& node, const SlotTable& slots) {
  const bool fresh = FreshnessOf(node.state) == Freshness::kFresh;
  if (Has(Key::kName)) {
    for (const auto& [name, n] : slots.names()) AddGroup(node, Key::kName, name, n);
  } else if (Has(Key::kState) && fresh) {
    std::int64_t known = 0;
    for (size_t state = 1; state < SlotTable::kStates; ++state) {
      AddGroup(node, Key::kState, Word(kSlotKeyState, static_cast<int>(state)),
               slots.states()[state]);
      known += slots.states()[state];
    }
    if (known == static_cast<std::int64_t>(slots.size())) return;
    // Of states that this version does not know only the rows themselves know the number.
    for (const SlotRow* row : slots.order()) {
      if (static_cast<size_t>(row->state) >= SlotTable::kStates || row->state == 0) Add(node, *row);
    }
  } else {
    AddGroup(node, Key::kState, Word(kSlotKeyState, v1::SLOT_STATE_STALE),
             static_cast<std::int64_t>(slots.size()));
  }
}

SlotCounts::Result SlotCounts::Take(size_t limit) {
  Result result;
  result.total = total_;
  std::vector<std::pair<Values, std::int64_t>> all(groups_.begin(), groups_.end());
  groups_.clear();
  const size_t shown = std::min(limit, all.size());
  std::partial_sort(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(shown), all.end(),
                    [](const auto& a, const auto& b) {
                      return a.second != b.second ? a.second > b.second : a.first < b.first;
                    });
  result.others = total_;
  for (size_t i = 0; i < shown; ++i) {
    result.others -= all[i].second;
    Group& group = result.groups.emplace_back();
    group.values.assign(all[i].first.begin(),
                        all[i].first.begin() + static_cast<std::ptrdiff_t>(keys_.size()));
    group.slots = all[i].second;
  }
  return result;
}

}  // namespace procctl::controller
