// Messages from the guardian as the uplink mirrors them: a second reader that is told only
// snapshots and deltas must end with the same rows, whatever came in and in whatever order.
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "google/protobuf/stubs/logging.h"
#include "node/uplink/slot_mirror.h"
#include "tests/fuzz/input.h"
#include "tests/fuzz/target.h"

namespace procctl::fuzz {
namespace {

using uplink::SlotMirror;
// What a row is called ("slot 7", "program web@1"), and all that it says.
using Rows = std::map<std::string, std::string>;

std::string NameOf(int64_t generation) { return "slot " + std::to_string(generation); }
std::string NameOf(const std::string& label) { return "program " + label; }

void Store(const v1::Slot& slot, Rows* rows) {
  PROCCTL_MUST(slot.incarnation().generation() > 0);
  (*rows)[NameOf(slot.incarnation().generation())] = slot.SerializeAsString();
}

void Store(const v1::Program& program, Rows* rows) {
  PROCCTL_MUST(!program.label().empty());
  (*rows)[NameOf(program.label())] = program.SerializeAsString();
}

Rows Snapshot(SlotMirror* mirror) {
  Rows rows;
  bool programs_began = false;
  const auto keys = mirror->BeginSnapshot();
  for (size_t next = 0; next < keys.size();) {
    v1::SnapshotChunk chunk;
    const size_t after = mirror->FillChunk(keys, next, &chunk);
    PROCCTL_MUST(after > next);
    PROCCTL_MUST(chunk.slots_size() + chunk.programs_size() <= 1 ||
                 chunk.ByteSizeLong() < 64 * 1024);
    // A program's row goes out behind that of the slot it names.
    PROCCTL_MUST(chunk.slots().empty() || !programs_began);
    programs_began = programs_began || !chunk.programs().empty();
    next = after;
    for (const v1::Slot& slot : chunk.slots()) Store(slot, &rows);
    for (const v1::Program& program : chunk.programs()) Store(program, &rows);
  }
  return rows;
}

// The guardian's rows by the words of link.proto: what the mirror must hold.
class Truth {
 public:
  void Apply(const v1::LinkSlots& slots) {
    if (slots.snapshot() && !incoming_) incoming_.emplace();
    const auto take = [&](const auto& row) {
      if (!slots.snapshot()) Store(row, &rows_);
      // A change that comes before a snapshot's last piece is newer than the snapshot.
      if (incoming_) Store(row, &*incoming_);
    };
    for (const v1::Slot& slot : slots.upserts()) {
      if (slot.incarnation().generation() > 0) take(slot);
    }
    for (const v1::Program& program : slots.program_upserts()) {
      if (!program.label().empty()) take(program);
    }
    if (!slots.snapshot()) {
      const auto remove = [&](const std::string& name) {
        rows_.erase(name);
        if (incoming_) incoming_->erase(name);
      };
      for (const int64_t generation : slots.removes()) remove(NameOf(generation));
      for (const std::string& label : slots.program_removes()) remove(NameOf(label));
    } else if (slots.last()) {
      rows_ = std::move(*incoming_);
      incoming_.reset();
    }
  }

  const Rows& rows() const { return rows_; }

 private:
  Rows rows_;
  std::optional<Rows> incoming_;
};

// What a controller holds of one node.
class Listener {
 public:
  void TakeSnapshot(SlotMirror* mirror) {
    rows_ = Snapshot(mirror);
    revision_ = mirror->told_revision();
    listening_ = true;
  }

  void TakeDelta(SlotMirror* mirror) {
    if (!listening_ || !mirror->DeltaDueAt()) return;
    const v1::SlotDelta delta = mirror->TakeDelta();
    PROCCTL_MUST(delta.from_revision() == revision_);
    PROCCTL_MUST(delta.to_revision() > revision_);
    PROCCTL_MUST(delta.to_revision() <= mirror->revision());
    revision_ = delta.to_revision();
    for (const v1::Slot& slot : delta.upserts()) Store(slot, &rows_);
    for (const int64_t generation : delta.removes()) rows_.erase(NameOf(generation));
    for (const v1::Program& program : delta.program_upserts()) Store(program, &rows_);
    for (const std::string& label : delta.program_removes()) rows_.erase(NameOf(label));
  }

  void CatchUp(SlotMirror* mirror) {
    if (!listening_ || mirror->overflowed()) TakeSnapshot(mirror);
    while (mirror->DeltaDueAt()) TakeDelta(mirror);
  }

  const Rows& rows() const { return rows_; }

 private:
  bool listening_ = false;
  int64_t revision_ = 0;
  Rows rows_;
};

}  // namespace
}  // namespace procctl::fuzz

// Any number of: uint8 bits (1: a snapshot is taken first, 2: a delta, 4: each row of the packet is
// made 20 KiB large, so that few of them fill a message), uint8 milliseconds that pass, uint16 size
// of a packet, the packet.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace procctl::fuzz;
  // It prints a line for each string that is no UTF-8.
  static const google::protobuf::LogSilencer quiet;
  Input input(data, size);
  SlotMirror mirror;
  Truth truth;
  Listener listener;
  procctl::uplink::BootTime now;
  while (!input.rest().empty()) {
    const auto bits = input.Take<uint8_t>();
    now += std::chrono::milliseconds(input.Take<uint8_t>());
    const auto packet_size = input.Take<uint16_t>();
    procctl::v1::LinkUp message;
    const bool sound = message.ParseFromString(std::string(input.TakeBytes(packet_size)));
    if ((bits & 1) != 0) listener.TakeSnapshot(&mirror);
    if ((bits & 2) != 0) listener.TakeDelta(&mirror);
    if (!sound || !message.has_slots()) continue;

    if ((bits & 4) != 0) {
      for (procctl::v1::Slot& slot : *message.mutable_slots()->mutable_upserts()) {
        slot.set_note(std::string(20 * 1024, 'x'));
      }
      for (auto& program : *message.mutable_slots()->mutable_program_upserts()) {
        program.set_message(std::string(20 * 1024, 'x'));
      }
    }
    truth.Apply(message.slots());
    const int64_t before = mirror.revision();
    const int upserts = message.slots().upserts_size() + message.slots().program_upserts_size();
    const int nameless = mirror.Apply(std::move(*message.mutable_slots()), now);
    PROCCTL_MUST(nameless >= 0 && nameless <= upserts);
    PROCCTL_MUST(mirror.revision() == before || mirror.revision() == before + 1);
    PROCCTL_MUST(mirror.told_revision() <= mirror.revision());
    const auto due = mirror.DeltaDueAt();
    PROCCTL_MUST(!due || *due <= now + procctl::uplink::kDeltaDelay);
  }

  listener.CatchUp(&mirror);
  const Rows rows = Snapshot(&mirror);
  PROCCTL_MUST(rows.size() == mirror.size());
  PROCCTL_MUST(rows == listener.rows());
  PROCCTL_MUST(rows == truth.rows());
  return 0;
}
