#include "node/guardian/table.h"

#include <algorithm>
#include <utility>

#include "proto/support/escape.h"
#include "proto/support/time_convert.h"

namespace procctl::node {
namespace {

v1::SlotState StateOf(const Process& process, const Heart& heart) {
  if (process.kill == nullptr) return heart.judged;
  const Kill& kill = *process.kill;
  switch (kill.ladder.stage()) {
    case Ladder::Stage::kDue:
      return kill.hold_reason.empty() ? heart.judged : v1::SLOT_STATE_HELD;
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

Process& Table::AddProcess(ProcessRef ref, int64_t uid) {
  const ProcessIdentity identity = ref.identity();
  return *processes_.emplace(identity, std::make_unique<Process>(std::move(ref), uid))
              .first->second;
}

Slot& Table::AddSlot(Process& process, std::string name, v1::Door door, Nanos timeout,
                     std::unique_ptr<BeatPage> page, int32_t row, uint64_t token,
                     std::chrono::system_clock::time_point now) {
  auto slot = std::make_unique<Slot>();
  slot->generation = next_generation_++;
  slot->label = labels_.Take(name);
  slot->name = std::move(name);
  slot->door = door;
  slot->timeout = timeout;
  slot->registered_at = now;
  slot->process = &process;
  slot->heart = hearts_.size();
  Heart heart;
  heart.silence = Silence(page ? page->beats() : token);
  heart.page = std::move(page);
  heart.row = row;
  heart.timeout = timeout;
  heart.slot = slot.get();
  hearts_.push_back(std::move(heart));
  process.slots.push_back(slot.get());
  ++per_user_[process.uid];
  Slot& kept = *slots_.emplace(slot->generation, std::move(slot)).first->second;
  listener_.changed(kept);
  return kept;
}

void Table::TakeOver(Slot& slot, Nanos timeout, std::unique_ptr<BeatPage> page) {
  slot.timeout = timeout;
  Heart& h = hearts_[slot.heart];
  h.silence = Silence(page->beats());
  h.page = std::move(page);
  h.timeout = timeout;
  h.judged = v1::SLOT_STATE_ALIVE;
  listener_.changed(slot);
}

void Table::RemoveSlot(Slot& slot) {
  listener_.removed(slot);
  Process& process = *slot.process;
  process.slots.erase(std::find(process.slots.begin(), process.slots.end(), &slot));
  if (--per_user_[process.uid] == 0) per_user_.erase(process.uid);
  labels_.Release(slot.name, slot.label);
  // The last heart takes the place of this one, so that the scan walks one dense array.
  const size_t index = slot.heart;
  if (index + 1 != hearts_.size()) {
    hearts_[index] = std::move(hearts_.back());
    hearts_[index].slot->heart = index;
  }
  hearts_.pop_back();
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
  processes_.erase(process.ref.identity());
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
  incarnation.set_pid(slot.process->ref.identity().pid);
  incarnation.set_start_ticks(slot.process->ref.identity().start_ticks);
  incarnation.set_generation(slot.generation);
  return incarnation;
}

v1::Slot Table::Row(const Slot& slot) const {
  const Heart& h = hearts_[slot.heart];
  v1::Slot row;
  row.set_label(slot.label);
  row.set_name(slot.name);
  *row.mutable_incarnation() = IncarnationOf(slot);
  row.set_state(StateOf(*slot.process, h));
  row.set_door(slot.door);
  *row.mutable_timeout() = ToProto(slot.timeout);
  *row.mutable_silence() = ToProto(h.silence.length());
  *row.mutable_registered_at() = ToProto(slot.registered_at);
  row.set_uid(static_cast<int32_t>(slot.process->uid));
  if (h.page) row.set_note(Escape(h.page->note()));
  if (row.state() == v1::SLOT_STATE_HELD) row.set_hold_reason(slot.process->kill->hold_reason);
  return row;
}

}  // namespace procctl::node
