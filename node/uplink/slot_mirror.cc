#include "node/uplink/slot_mirror.h"

#include <algorithm>

#include "proto/support/row_digest.h"

namespace procctl::uplink {
namespace {

// What a person must see now: a row on the ladder, held, or stuck; a program that is not started
// again by itself.
bool IsUrgent(const v1::Slot& slot) { return slot.state() >= v1::SLOT_STATE_HUNG; }
bool IsUrgent(const v1::Program& program) { return program.state() == v1::PROGRAM_STATE_PARKED; }

RowKey KeyOf(const v1::Slot& slot) { return RowKey::OfSlot(slot.incarnation().generation()); }
RowKey KeyOf(const v1::Program& program) { return RowKey::OfProgram(program.label()); }

bool IsNameless(const RowKey& key) { return key.program ? key.label.empty() : key.generation <= 0; }

template <typename Row>
bool AnyUrgent(const Row& row) {
  return std::visit([](const auto& message) { return IsUrgent(message); }, row);
}

// With its framing.
template <typename Row>
std::size_t BytesOf(const Row& row) {
  return std::visit([](const auto& message) { return message.ByteSizeLong() + 4; }, row);
}

template <typename Row>
std::uint64_t DigestOf(const Row& row) {
  return std::visit([](const auto& message) { return RowDigest(message); }, row);
}

template <typename Row>
bool SameRow(const Row& a, const Row& b) {
  const auto bytes = [](const auto& message) { return message.SerializeAsString(); };
  return std::visit(bytes, a) == std::visit(bytes, b);
}

void AddTo(const v1::Slot& slot, v1::SnapshotChunk* chunk) { *chunk->add_slots() = slot; }
void AddTo(const v1::Program& row, v1::SnapshotChunk* chunk) { *chunk->add_programs() = row; }
void AddTo(const v1::Slot& slot, v1::SlotDelta* delta) { *delta->add_upserts() = slot; }
void AddTo(const v1::Program& row, v1::SlotDelta* delta) { *delta->add_program_upserts() = row; }

}  // namespace

int SlotMirror::Apply(v1::LinkSlots slots, BootTime now) {
  int nameless = 0;
  if (slots.snapshot() && !staging_) {
    staging_ = true;
    staged_.clear();
  }
  if (!slots.snapshot()) ++revision_;
  const auto take = [&](auto* rows) {
    for (auto& row : *rows) {
      RowKey key = KeyOf(row);
      if (IsNameless(key)) {
        ++nameless;
      } else {
        TakeRow(std::move(key), std::move(row), slots.snapshot(), now);
      }
    }
  };
  take(slots.mutable_upserts());
  take(slots.mutable_program_upserts());
  if (slots.snapshot()) {
    if (slots.last()) EndSnapshot(now);
    return nameless;
  }
  for (const std::int64_t generation : slots.removes())
    TakeRemoval(RowKey::OfSlot(generation), now);
  for (const std::string& label : slots.program_removes()) {
    TakeRemoval(RowKey::OfProgram(label), now);
  }
  return nameless;
}

void SlotMirror::TakeRow(RowKey key, Row row, bool snapshot, BootTime now) {
  if (snapshot) {
    staged_[std::move(key)] = std::move(row);
    return;
  }
  // A change between two pieces of a snapshot belongs to both.
  if (staging_) staged_[key] = row;
  Upsert(key, std::move(row), now);
}

void SlotMirror::TakeRemoval(const RowKey& key, BootTime now) {
  if (staging_) staged_.erase(key);
  Remove(key, now);
}

void SlotMirror::EndSnapshot(BootTime now) {
  ++revision_;
  std::vector<RowKey> ended;
  for (const auto& [key, row] : rows_) {
    if (!staged_.contains(key)) ended.push_back(key);
  }
  for (const RowKey& key : ended) Remove(key, now);
  int changed = static_cast<int>(ended.size());
  std::size_t bytes = 0;
  for (auto& [key, row] : staged_) {
    const auto it = rows_.find(key);
    if (it != rows_.end() && SameRow(it->second, row)) continue;
    bytes += BytesOf(row);
    Upsert(key, std::move(row), now);
    ++changed;
  }
  // All of them are one revision, and a delta cannot cut a revision in two.
  if (tracking_ && (changed > kMaxSnapshotChanges || bytes > kMaxRowBytes)) GiveUpTracking();
  staged_.clear();
  staging_ = false;
  ready_ = true;
}

void SlotMirror::Upsert(const RowKey& key, Row row, BootTime now) {
  const bool urgent = AnyUrgent(row);
  digest_ += DigestOf(row);
  const auto [it, is_new] = rows_.try_emplace(key);
  if (!is_new) digest_ -= DigestOf(it->second);
  it->second = std::move(row);
  Touch(key, urgent, now);
}

void SlotMirror::Remove(const RowKey& key, BootTime now) {
  const auto it = rows_.find(key);
  if (it == rows_.end()) return;
  // The end of a row that an operator was watching is as urgent as the row was.
  const bool urgent = AnyUrgent(it->second);
  digest_ -= DigestOf(it->second);
  rows_.erase(it);
  Touch(key, urgent, now);
}

void SlotMirror::Touch(const RowKey& key, bool urgent, BootTime now) {
  if (!tracking_) return;
  const BootTime due = urgent ? now : now + kDeltaDelay;
  due_at_ = changes_.empty() ? due : std::min(due_at_, due);
  const auto [it, is_new] = change_of_.try_emplace(key, revision_);
  if (!is_new) {
    changes_.erase({it->second, key});
    it->second = revision_;
  }
  changes_.insert({revision_, key});
  if (changes_.size() > kMaxTrackedChanges) GiveUpTracking();
}

void SlotMirror::GiveUpTracking() {
  StopTracking();
  overflowed_ = true;
}

std::vector<RowKey> SlotMirror::BeginSnapshot() {
  StopTracking();
  tracking_ = true;
  told_revision_ = revision_;
  std::vector<RowKey> keys;
  keys.reserve(rows_.size());
  for (const auto& [key, row] : rows_) keys.push_back(key);
  return keys;
}

std::size_t SlotMirror::FillChunk(const std::vector<RowKey>& keys, std::size_t next,
                                  v1::SnapshotChunk* chunk) const {
  std::size_t bytes = 0;
  for (; next < keys.size(); ++next) {
    const auto it = rows_.find(keys[next]);
    if (it == rows_.end()) continue;
    const std::size_t row = BytesOf(it->second);
    if (bytes > 0 && bytes + row > kMaxRowBytes) break;
    bytes += row;
    std::visit([&](const auto& message) { AddTo(message, chunk); }, it->second);
  }
  return next;
}

void SlotMirror::StopTracking() {
  tracking_ = false;
  overflowed_ = false;
  changes_.clear();
  change_of_.clear();
}

std::optional<std::uint64_t> SlotMirror::ToldDigest() const {
  if (!tracking_ || !changes_.empty()) return std::nullopt;
  return digest_;
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
    const auto& [revision, key] = *changes_.begin();
    // A revision is never cut in two: the controller would believe it whole.
    if (bytes > kMaxRowBytes && revision != told_revision_) break;
    told_revision_ = revision;
    const auto it = rows_.find(key);
    if (it != rows_.end()) {
      bytes += BytesOf(it->second);
      std::visit([&](const auto& message) { AddTo(message, &delta); }, it->second);
    } else if (key.program) {
      bytes += key.label.size() + 4;
      delta.add_program_removes(key.label);
    } else {
      bytes += sizeof(key.generation);
      delta.add_removes(key.generation);
    }
    change_of_.erase(key);
    changes_.erase(changes_.begin());
  }
  // Later revisions changed only rows that are in this delta already, or nothing.
  if (changes_.empty()) told_revision_ = revision_;
  delta.set_to_revision(told_revision_);
  return delta;
}

}  // namespace procctl::uplink
