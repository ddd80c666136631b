#include "node/core/table.h"

#include <algorithm>
#include <utility>

#include "node/core/page_text.h"
#include "proto/support/escape.h"
#include "proto/support/time_convert.h"

namespace procctl::node {
namespace {

uint32_t Milliseconds(Nanos duration) {
  return static_cast<uint32_t>(std::clamp<int64_t>(
      std::chrono::ceil<std::chrono::milliseconds>(duration).count(), 0, UINT32_MAX));
}

v1::SlotState StateOf(const Process& process, const HeartCell& cell) {
  const auto judged = static_cast<v1::SlotState>(cell.judged);
  if (process.kill == nullptr) return judged;
  const Kill& kill = *process.kill;
  switch (kill.ladder.stage()) {
    case Ladder::Stage::kDue:
      return kill.held() ? v1::SLOT_STATE_HELD : judged;
    case Ladder::Stage::kTermSent:
      return v1::SLOT_STATE_TERM_SENT;
    case Ladder::Stage::kKillSent:
      return v1::SLOT_STATE_KILL_SENT;
    case Ladder::Stage::kUnkillable:
      return v1::SLOT_STATE_UNKILLABLE;
  }
  return v1::SLOT_STATE_UNSPECIFIED;
}

}  // namespace

Table::Table(std::string boot_id, SlotRuleBook rules, std::span<HeartCell> cells,
             std::span<HeartHistory> histories, Journal* journal)
    : boot_id_(std::move(boot_id)),
      rules_(std::move(rules)),
      cells_(cells),
      histories_(histories),
      journal_(journal),
      owners_(cells.size(), nullptr) {}

Process* Table::Find(const ProcessIdentity& identity) {
  const auto found = processes_.find(identity);
  return found == processes_.end() ? nullptr : found->second.get();
}

Slot* Table::FindSlot(int64_t generation) {
  const auto found = slots_.find(generation);
  return found == slots_.end() ? nullptr : found->second.get();
}

Slot* Table::FindSlot(const Process& process, const std::string& name) {
  const auto found = std::find_if(
      process.slots.begin(), process.slots.end(),
      [&](const Slot* slot) { return slot->door == v1::DOOR_NATIVE && slot->name == name; });
  return found == process.slots.end() ? nullptr : *found;
}

Process& Table::AddProcess(std::unique_ptr<Target> target, int64_t uid) {
  const ProcessIdentity identity = target->identity();
  return *processes_.emplace(identity, std::make_unique<Process>(std::move(target), uid))
              .first->second;
}

std::optional<size_t> Table::FreeCell() {
  if (!free_cells_.empty()) {
    const size_t cell = free_cells_.back();
    free_cells_.pop_back();
    return cell;
  }
  if (used_ == cells_.size()) return std::nullopt;
  return used_++;
}

void Table::StartHeart(Slot& slot) {
  HeartCell& cell = cells_[slot.cell];
  HeartHistory& history = histories_[slot.cell];
  history.generation = 0;
  cell = HeartCell{};
  history = HeartHistory{};
  cell.beats = __atomic_load_n(&slot.page->beats, __ATOMIC_RELAXED);
  cell.progress = __atomic_load_n(&slot.page->progress, __ATOMIC_RELAXED);
  cell.timeout = Milliseconds(slot.terms.timeout);
  cell.progress_limit = Milliseconds(slot.terms.progress_limit);
  cell.shadow = Milliseconds(slot.rules.shadow_timeout);
  cell.judged = v1::SLOT_STATE_ALIVE;
  if (slot.terms.start_grace > Nanos(0)) {
    cell.mode = HeartMode::kStarting;
    cell.special_limit = Milliseconds(slot.terms.start_grace);
    cell.judged = v1::SLOT_STATE_STARTING;
  }
  cell.page = slot.page.get();
  history.page_inode = slot.page_key.inode;
  history.generation = slot.generation;
}

Slot& Table::Keep(Process& process, std::unique_ptr<Slot> slot) {
  owners_[slot->cell] = slot.get();
  process.slots.push_back(slot.get());
  ++per_user_[process.uid];
  if (slot->door != v1::DOOR_PROGRAM) ++hearts_;
  return *slots_.emplace(slot->generation, std::move(slot)).first->second;
}

void Table::Write(const Slot& slot) {
  v1::StateRecord record;
  *record.mutable_slot() = RecordOf(slot);
  journal_->Put(std::move(record));
}

Slot* Table::AddSlot(Process& process, NewSlot what, std::chrono::system_clock::time_point now) {
  const std::optional<size_t> cell = FreeCell();
  if (!cell) return nullptr;
  auto slot = std::make_unique<Slot>();
  slot->generation = next_generation_++;
  slot->label = labels_.Take(what.name);
  slot->rules = rules_.For(what.name);
  slot->name = std::move(what.name);
  slot->door = what.door;
  slot->terms = what.terms;
  slot->registered_at = now;
  slot->process = &process;
  slot->cell = *cell;
  slot->row = what.row;
  slot->page = std::move(what.page);
  slot->page_key = what.page_key;
  Slot& kept = Keep(process, std::move(slot));
  StartHeart(kept);
  Write(kept);
  listener_.changed(kept);
  return &kept;
}

bool Table::Claim(const v1::SlotRecord& record) {
  const auto wanted = static_cast<size_t>(record.cell());
  if (record.cell() < 0 || wanted >= cells_.size()) return false;
  const auto free = std::find(free_cells_.begin(), free_cells_.end(), wanted);
  if (wanted < used_ && free == free_cells_.end()) return false;
  if (!labels_.Claim(record.name(), record.label())) return false;
  if (free != free_cells_.end()) free_cells_.erase(free);
  // Cells that are passed over are free.
  for (; used_ <= wanted; ++used_) {
    // Whatever an earlier guardian left in there points nowhere.
    cells_[used_].page = nullptr;
    if (used_ != wanted) free_cells_.push_back(used_);
  }
  return true;
}

bool Table::SetAside(const v1::SlotRecord& record) {
  return Claim(record) && set_aside_.emplace(record.generation(), record).second;
}

void Table::GiveUp(int64_t generation) {
  if (const auto found = set_aside_.find(generation); found != set_aside_.end()) {
    const auto cell = static_cast<size_t>(found->second.cell());
    labels_.Release(found->second.name(), found->second.label());
    histories_[cell].generation = 0;
    free_cells_.push_back(cell);
    set_aside_.erase(found);
  }
  v1::StateRecord record;
  record.set_slot_gone(generation);
  journal_->Put(std::move(record));
}

Slot* Table::Resume(Process& process, const v1::SlotRecord& record,
                    std::shared_ptr<const procctl_page> page) {
  if (set_aside_.erase(record.generation()) == 0 && !Claim(record)) return nullptr;
  const auto wanted = static_cast<size_t>(record.cell());
  auto slot = std::make_unique<Slot>();
  slot->generation = record.generation();
  slot->label = record.label();
  slot->name = record.name();
  slot->rules = rules_.For(slot->name);
  slot->door = record.door();
  slot->terms = {FromProto(record.timeout()), FromProto(record.progress_limit()),
                 FromProto(record.start_grace())};
  slot->registered_at = FromProto(record.registered_at());
  slot->process = &process;
  slot->cell = wanted;
  slot->row = record.row();
  slot->page = std::move(page);
  slot->page_key = {record.page_device(), record.page_inode()};
  if (record.has_hold()) {
    slot->hold = OperatorHold{record.hold().owner(), record.hold().reason(),
                              FromProto(record.hold_ends()), FromProto(record.hold().until())};
  }
  Slot& kept = Keep(process, std::move(slot));
  // Another page there: the board is ahead of the journal, of a guardian that was killed while the
  // slot was taken over with new terms.
  if (histories_[wanted].generation == kept.generation &&
      histories_[wanted].page_inode == kept.page_key.inode) {
    // The board kept it: silence goes on where it was. What the present configuration says holds
    // from now on.
    cells_[wanted].shadow = Milliseconds(kept.rules.shadow_timeout);
    cells_[wanted].page = kept.page.get();
  } else {
    StartHeart(kept);
  }
  Write(kept);
  listener_.changed(kept);
  return &kept;
}

void Table::TakeOver(Slot& slot, HeartTerms terms, std::shared_ptr<const procctl_page> page,
                     PageKey key) {
  slot.terms = terms;
  cells_[slot.cell].page = nullptr;
  slot.page = std::move(page);
  slot.page_key = key;
  // Only the silence starts anew: the gaps of one name and process stay one history.
  HeartHistory kept = histories_[slot.cell];
  kept.busy_seen = 0;
  kept.page_inode = key.inode;
  StartHeart(slot);
  histories_[slot.cell] = kept;
  Write(slot);
  listener_.changed(slot);
}

void Table::RemoveSlot(Slot& slot) {
  listener_.removed(slot);
  v1::StateRecord record;
  record.set_slot_gone(slot.generation);
  journal_->Put(std::move(record));
  Process& process = *slot.process;
  process.slots.erase(std::find(process.slots.begin(), process.slots.end(), &slot));
  if (--per_user_[process.uid] == 0) per_user_.erase(process.uid);
  if (slot.door != v1::DOOR_PROGRAM) --hearts_;
  labels_.Release(slot.name, slot.label);
  histories_[slot.cell].generation = 0;
  cells_[slot.cell].page = nullptr;
  owners_[slot.cell] = nullptr;
  free_cells_.push_back(slot.cell);
  slots_.erase(slot.generation);
}

void Table::RemoveProcess(Process& process) {
  process.kill.reset();
  while (!process.slots.empty()) RemoveSlot(*process.slots.back());
  Settle(process);
}

void Table::Settle(Process& process) {
  if (!process.slots.empty() || process.kill != nullptr) return;
  listener_.forgotten(process);
  // A copy: the key must not die with what it names.
  const ProcessIdentity identity = process.identity();
  processes_.erase(identity);
}

void Table::SetTimeout(Slot& slot, Nanos timeout) {
  slot.terms.timeout = timeout;
  cells_[slot.cell].timeout = Milliseconds(timeout);
  Write(slot);
  listener_.changed(slot);
}

void Table::ExtendStart(Slot& slot, Nanos more) {
  HeartCell& cell = cells_[slot.cell];
  if (cell.mode != HeartMode::kStarting) return;
  cell.special_limit = std::max(cell.special_limit, Milliseconds(Nanos(cell.silence) + more));
  listener_.changed(slot);
}

void Table::SetHold(Slot& slot, std::optional<OperatorHold> hold) {
  slot.hold = std::move(hold);
  Write(slot);
  Changed(*slot.process);
}

void Table::Changed(const Process& process) {
  for (const Slot* slot : process.slots) listener_.changed(*slot);
}

int64_t Table::slots_of_user(int64_t uid) const {
  const auto found = per_user_.find(uid);
  return found == per_user_.end() ? 0 : found->second;
}

v1::Incarnation Table::IncarnationOf(const Slot& slot) const {
  v1::Incarnation incarnation;
  incarnation.set_boot_id(boot_id_);
  incarnation.set_pid(slot.process->identity().pid);
  incarnation.set_start_ticks(slot.process->identity().start_ticks);
  incarnation.set_generation(slot.generation);
  return incarnation;
}

v1::Slot Table::Row(const Slot& slot) const {
  const HeartCell& heart = cells_[slot.cell];
  v1::Slot row;
  row.set_label(slot.label);
  row.set_name(slot.name);
  *row.mutable_incarnation() = IncarnationOf(slot);
  row.set_state(StateOf(*slot.process, heart));
  row.set_door(slot.door);
  if (slot.terms.timeout > Nanos(0)) *row.mutable_timeout() = ToProto(slot.terms.timeout);
  *row.mutable_silence() = ToProto(Nanos(heart.silence));
  *row.mutable_registered_at() = ToProto(slot.registered_at);
  row.set_uid(static_cast<int32_t>(slot.process->uid));
  row.set_note(Escape(NoteOf(*slot.page)));
  row.set_phase(Escape(PhaseOf(*slot.page)));
  if (row.state() == v1::SLOT_STATE_HELD) row.set_hold_reason(slot.process->kill->hold_reason);
  if (slot.hold) {
    row.mutable_hold()->set_owner(slot.hold->owner);
    row.mutable_hold()->set_reason(slot.hold->reason);
    *row.mutable_hold()->mutable_until() = ToProto(slot.hold->until);
  }
  if (slot.terms.progress_limit > Nanos(0)) {
    *row.mutable_progress_limit() = ToProto(slot.terms.progress_limit);
    *row.mutable_progress_silence() = ToProto(Nanos(heart.progress_silence));
  }
  row.set_observe(slot.rules.observe);
  row.set_program(slot.process->program);
  if (heart.special_limit != 0)
    *row.mutable_special_limit() = ToProto(std::chrono::milliseconds(heart.special_limit));
  return row;
}

v1::SlotRecord Table::RecordOf(const Slot& slot) const {
  v1::SlotRecord record;
  record.set_generation(slot.generation);
  record.set_label(slot.label);
  record.set_name(slot.name);
  record.set_door(slot.door);
  record.set_pid(slot.process->identity().pid);
  record.set_start_ticks(slot.process->identity().start_ticks);
  record.set_uid(slot.process->uid);
  *record.mutable_timeout() = ToProto(slot.terms.timeout);
  *record.mutable_progress_limit() = ToProto(slot.terms.progress_limit);
  *record.mutable_start_grace() = ToProto(slot.terms.start_grace);
  *record.mutable_registered_at() = ToProto(slot.registered_at);
  record.set_cell(static_cast<int32_t>(slot.cell));
  record.set_page_device(slot.page_key.device);
  record.set_page_inode(slot.page_key.inode);
  record.set_row(slot.row);
  if (slot.hold) {
    record.mutable_hold()->set_owner(slot.hold->owner);
    record.mutable_hold()->set_reason(slot.hold->reason);
    *record.mutable_hold()->mutable_until() = ToProto(slot.hold->until);
    *record.mutable_hold_ends() = ToProto(slot.hold->ends);
  }
  return record;
}

}  // namespace procctl::node
