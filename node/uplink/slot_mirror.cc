#include "node/uplink/slot_mirror.h"

#include <algorithm>

namespace procctl::uplink {
namespace {

// What an operator must see now: a row on the ladder, held, or stuck.
bool IsUrgent(const v1::Slot& slot) { return slot.state() >= v1::SLOT_STATE_HUNG; }

bool SameRow(const v1::Slot& a, const v1::Slot& b) {
  return a.SerializeAsString() == b.SerializeAsString();
}

}  // namespace

int SlotMirror::Apply(v1::LinkSlots slots, BootTime now) {
  int nameless = 0;
  if (slots.snapshot() && !staging_) {
    staging_ = true;
    staged_.clear();
  }
  if (!slots.snapshot()) ++revision_;
  for (v1::Slot& slot : *slots.mutable_upserts()) {
    const std::int64_t generation = slot.incarnation().generation();
    if (generation <= 0) {
      ++nameless;
      continue;
    }
    // A change between two pieces of a snapshot belongs to both.
    if (staging_) staged_[generation] = slot;
    if (!slots.snapshot()) Upsert(std::move(slot), now);
  }
  if (!slots.snapshot()) {
    for (const std::int64_t generation : slots.removes()) {
      if (staging_) staged_.erase(generation);
      Remove(generation, now);
    }
    return nameless;
  }
  if (!slots.last()) return nameless;

  ++revision_;
  std::vector<std::int64_t> ended;
  for (const auto& [generation, slot] : rows_) {
    if (!staged_.contains(generation)) ended.push_back(generation);
  }
  for (const std::int64_t generation : ended) Remove(generation, now);
  int changed = static_cast<int>(ended.size());
  for (auto& [generation, slot] : staged_) {
    const auto it = rows_.find(generation);
    if (it != rows_.end() && SameRow(it->second, slot)) continue;
    Upsert(std::move(slot), now);
    ++changed;
  }
  // All of them are one revision, and a delta cannot cut a revision in two.
  if (tracking_ && changed > kMaxSnapshotChanges) GiveUpTracking();
  staged_.clear();
  staging_ = false;
  ready_ = true;
  return nameless;
}

void SlotMirror::Upsert(v1::Slot slot, BootTime now) {
  const std::int64_t generation = slot.incarnation().generation();
  const bool urgent = IsUrgent(slot);
  rows_[generation] = std::move(slot);
  Touch(generation, urgent, now);
}

void SlotMirror::Remove(std::int64_t generation, BootTime now) {
  const auto it = rows_.find(generation);
  if (it == rows_.end()) return;
  // The end of a row that an operator was watching is as urgent as the row was.
  const bool urgent = IsUrgent(it->second);
  rows_.erase(it);
  Touch(generation, urgent, now);
}

void SlotMirror::Touch(std::int64_t generation, bool urgent, BootTime now) {
  if (!tracking_) return;
  const BootTime due = urgent ? now : now + kDeltaDelay;
  due_at_ = changes_.empty() ? due : std::min(due_at_, due);
  const auto [it, is_new] = change_of_.try_emplace(generation, revision_);
  if (!is_new) {
    changes_.erase({it->second, generation});
    it->second = revision_;
  }
  changes_.insert({revision_, generation});
  if (changes_.size() > kMaxTrackedChanges) GiveUpTracking();
}

void SlotMirror::GiveUpTracking() {
  StopTracking();
  overflowed_ = true;
}

std::vector<std::int64_t> SlotMirror::BeginSnapshot() {
  StopTracking();
  tracking_ = true;
  told_revision_ = revision_;
  std::vector<std::int64_t> generations;
  generations.reserve(rows_.size());
  for (const auto& [generation, slot] : rows_) generations.push_back(generation);
  return generations;
}

std::size_t SlotMirror::FillChunk(const std::vector<std::int64_t>& generations, std::size_t next,
                                  v1::SnapshotChunk* chunk) const {
  std::size_t bytes = 0;
  for (; next < generations.size(); ++next) {
    const auto it = rows_.find(generations[next]);
    if (it == rows_.end()) continue;
    const std::size_t row = it->second.ByteSizeLong() + 4;
    if (bytes > 0 && bytes + row > kMaxSlotBytes) break;
    bytes += row;
    *chunk->add_slots() = it->second;
  }
  return next;
}

void SlotMirror::StopTracking() {
  tracking_ = false;
  overflowed_ = false;
  changes_.clear();
  change_of_.clear();
}

std::optional<BootTime> SlotMirror::DeltaDueAt() const {
  if (changes_.empty()) return std::nullopt;
  return due_at_;
}

v1::SlotDelta SlotMirror::TakeDelta() {
  v1::SlotDelta delta;
  delta.set_from_revision(told_revision_);
  std::size_t bytes = 0;
  while (!changes_.empty()) {
    const auto [revision, generation] = *changes_.begin();
    // A revision is never cut in two: the controller would believe it whole.
    if (bytes > kMaxSlotBytes && revision != told_revision_) break;
    told_revision_ = revision;
    const auto it = rows_.find(generation);
    if (it == rows_.end()) {
      delta.add_removes(generation);
      bytes += sizeof(generation);
    } else {
      *delta.add_upserts() = it->second;
      bytes += it->second.ByteSizeLong() + 4;
    }
    changes_.erase(changes_.begin());
    change_of_.erase(generation);
  }
  // Later revisions changed only rows that are in this delta already, or nothing.
  if (changes_.empty()) told_revision_ = revision_;
  delta.set_to_revision(told_revision_);
  return delta;
}

}  // namespace procctl::uplink
