#include "tests/fleetsim/slot_table.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>

#include "proto/support/time_convert.h"

namespace procctl::fleetsim {
namespace {

constexpr std::array<std::string_view, 10> kNames = {"encoder", "ingest", "web",    "cache",
                                                     "mailer",  "index",  "thumbs", "billing",
                                                     "search",  "router"};
// A row is about 130 bytes and one of a program as much again, so that a message stays below 64
// KiB.
constexpr std::uint32_t kMostRows = 400;
constexpr std::uint32_t kMostWithPrograms = 200;
constexpr auto kTimeout = std::chrono::seconds(5);

std::string_view Name(std::uint32_t slot) { return kNames[slot % kNames.size()]; }

google::protobuf::Timestamp Wall(std::int64_t ns) {
  return ToProto(std::chrono::system_clock::time_point(
      std::chrono::duration_cast<std::chrono::system_clock::duration>(
          std::chrono::nanoseconds(ns))));
}

}  // namespace

SlotTable::SlotTable(std::string boot_id, std::int64_t epoch, std::uint32_t slots,
                     std::uint32_t programs, std::int64_t now_ns)
    : boot_id_(std::move(boot_id)),
      generation_base_((epoch & 0x7fffffff) << 32),
      began_ns_(now_ns),
      programs_(std::min(programs, slots)) {
  rows_.reserve(slots);
  for (std::uint32_t i = 0; i < slots; ++i) {
    rows_.push_back({++lives_, v1::SLOT_STATE_ALIVE, false, false});
  }
}

std::int64_t SlotTable::GenerationOf(std::uint32_t life) const { return generation_base_ | life; }

void SlotTable::Touch(std::uint32_t slot, std::uint32_t gone) {
  Row& row = rows_[slot];
  if (row.dirty && gone == 0) return;
  row.dirty = true;
  dirty_.push_back({slot, gone});
}

void SlotTable::Churn(double which, double how) {
  if (rows_.empty()) return;
  const auto slot = static_cast<std::uint32_t>(which * static_cast<double>(rows_.size()));
  if (how < 0.125) return Restart(slot);
  Row& row = rows_[slot];
  row.state = row.state == v1::SLOT_STATE_ALIVE ? v1::SLOT_STATE_QUIET : v1::SLOT_STATE_ALIVE;
  Touch(slot, 0);
}

void SlotTable::Restart(std::uint32_t slot) {
  Row& row = rows_[slot];
  const std::uint32_t gone = row.life;
  row.life = ++lives_;
  row.state = v1::SLOT_STATE_ALIVE;
  row.held = false;
  Touch(slot, gone);
}

void SlotTable::SetHold(std::uint32_t slot, bool held) {
  rows_[slot].held = held;
  Touch(slot, 0);
}

void SlotTable::BeginSnapshot() {
  ++snapshot_;
  snapshot_next_ = 0;
  for (const Change& change : dirty_) rows_[change.slot].dirty = false;
  dirty_.clear();
}

void SlotTable::FillPiece(v1::SnapshotChunk* piece) {
  const std::uint32_t begin = *snapshot_next_;
  const std::uint32_t most = begin < programs_ ? kMostWithPrograms : kMostRows;
  const std::uint32_t end = std::min(begin + most, size());
  piece->set_snapshot(snapshot_);
  piece->set_revision(revision_);
  piece->set_last(end == size());
  for (std::uint32_t i = begin; i < end; ++i) {
    FillSlot(i, piece->add_slots());
    if (i < programs_) FillProgram(i, piece->add_programs());
  }
  if (end == size()) {
    snapshot_next_.reset();
  } else {
    snapshot_next_ = end;
  }
}

void SlotTable::FillDelta(v1::SlotDelta* delta) {
  delta->set_from_revision(revision_);
  delta->set_to_revision(++revision_);
  const std::uint32_t most = programs_ > 0 ? kMostWithPrograms : kMostRows;
  const auto count = std::min<std::size_t>(dirty_.size(), most);
  for (std::size_t i = 0; i < count; ++i) {
    const Change& change = dirty_[i];
    if (change.gone != 0) {
      delta->add_removes(GenerationOf(change.gone));
      if (change.slot < programs_) FillProgram(change.slot, delta->add_program_upserts());
    }
    Row& row = rows_[change.slot];
    // A slot that changed twice is reported once, as it is now.
    if (!row.dirty) continue;
    row.dirty = false;
    FillSlot(change.slot, delta->add_upserts());
  }
  dirty_.erase(dirty_.begin(), dirty_.begin() + static_cast<std::ptrdiff_t>(count));
}

std::string SlotTable::Label(std::uint32_t slot) {
  std::string label(Name(slot));
  const std::size_t number = slot / kNames.size();
  if (number > 0) label += "." + std::to_string(number + 1);
  return label;
}

std::optional<std::uint32_t> SlotTable::FindLabel(std::string_view label) const {
  const std::size_t dot = label.find('.');
  std::size_t number = 1;
  if (dot != std::string_view::npos) {
    const std::string_view digits = label.substr(dot + 1);
    const auto read = std::from_chars(digits.data(), digits.data() + digits.size(), number);
    if (read.ec != std::errc() || number < 2) return std::nullopt;
  }
  const auto* const name = std::find(kNames.begin(), kNames.end(), label.substr(0, dot));
  if (name == kNames.end()) return std::nullopt;
  const std::size_t slot =
      (number - 1) * kNames.size() + static_cast<std::size_t>(name - kNames.begin());
  if (slot >= rows_.size()) return std::nullopt;
  return static_cast<std::uint32_t>(slot);
}

std::optional<std::uint32_t> SlotTable::FindGeneration(std::int64_t generation) const {
  for (std::uint32_t i = 0; i < rows_.size(); ++i) {
    if (Generation(i) == generation) return i;
  }
  return std::nullopt;
}

std::string SlotTable::ProgramLabel(std::uint32_t slot) const {
  return slot < programs_ ? Label(slot) : std::string();
}

void SlotTable::FillIncarnation(std::uint32_t slot, v1::Incarnation* incarnation) const {
  const std::uint32_t life = rows_[slot].life;
  incarnation->set_boot_id(boot_id_);
  incarnation->set_pid(static_cast<std::int32_t>(1000 + life % 4'000'000));
  incarnation->set_start_ticks(10'000 + std::int64_t{life} * 7);
  incarnation->set_generation(GenerationOf(life));
}

void SlotTable::FillSlot(std::uint32_t slot, v1::Slot* row) const {
  const Row& kept = rows_[slot];
  row->set_label(Label(slot));
  row->set_name(std::string(Name(slot)));
  FillIncarnation(slot, row->mutable_incarnation());
  row->set_state(static_cast<v1::SlotState>(kept.state));
  row->set_door(slot < programs_ ? v1::DOOR_NOTIFY : v1::DOOR_NATIVE);
  *row->mutable_timeout() = ToProto(std::chrono::nanoseconds(kTimeout));
  if (kept.state == v1::SLOT_STATE_QUIET) {
    *row->mutable_silence() = ToProto(std::chrono::nanoseconds(std::chrono::seconds(3)));
  }
  *row->mutable_registered_at() = Wall(began_ns_);
  row->set_uid(static_cast<std::int32_t>(1000 + slot % 5));
  row->set_program(ProgramLabel(slot));
  if (kept.held) {
    row->mutable_hold()->set_owner("operator/simulated");
    row->mutable_hold()->set_reason("ordered");
  }
}

void SlotTable::FillProgram(std::uint32_t slot, v1::Program* program) const {
  program->set_label(Label(slot));
  program->set_name(std::string(Name(slot)));
  program->set_instance(1);
  program->set_state(v1::PROGRAM_STATE_RUNNING);
  FillIncarnation(slot, program->mutable_incarnation());
  program->set_door(v1::DOOR_NOTIFY);
  *program->mutable_started_at() = Wall(began_ns_);
  program->set_starts(1);
  program->add_labels("tier=" + std::string(slot % 2 == 0 ? "front" : "back"));
  program->set_run(Label(slot) + "/" + std::to_string(rows_[slot].life));
}

v1::Usage SlotTable::UsageOf(std::uint32_t slot) const {
  const std::uint32_t mixed = rows_[slot].life * 2654435761U;
  v1::Usage usage;
  usage.set_resident((std::int64_t{8} << 20) + (mixed % 1024) * (std::int64_t{1} << 19));
  usage.set_cpu_percent(static_cast<std::int32_t>(mixed >> 8) & 63);
  usage.set_threads(static_cast<std::int32_t>(1 + (mixed >> 16) % 16));
  usage.set_descriptors(static_cast<std::int32_t>(8 + (mixed >> 20) % 64));
  return usage;
}

}  // namespace procctl::fleetsim
