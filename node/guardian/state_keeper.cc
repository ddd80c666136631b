#include "node/guardian/state_keeper.h"

#include <unistd.h>

#include <algorithm>
#include <utility>

#include "spdlog/spdlog.h"

namespace procctl::node {
namespace {

// All that changed in one turn is one frame: an event without its record, or the other way round,
// would be told again or never. Only beyond what a StateLog takes it is parted.
constexpr size_t kMostTurnBytes = StateLog::kMostRecordBytes / 2;
// Of a snapshot, which is there whole or not at all anyway, and of what had to be parted.
constexpr size_t kMostFrameBytes = 512 * 1024;
constexpr size_t kLeastRewrite = 4 * 1024 * 1024;

std::vector<std::string> FramesOf(const std::vector<v1::StateRecord>& records) {
  std::vector<std::string> frames;
  v1::StateFrame frame;
  size_t bytes = 0;
  const auto close = [&] {
    if (frame.records_size() > 0) frames.push_back(frame.SerializeAsString());
    frame.Clear();
    bytes = 0;
  };
  for (const v1::StateRecord& record : records) {
    *frame.add_records() = record;
    bytes += record.ByteSizeLong();
    if (bytes > kMostFrameBytes) close();
  }
  close();
  return frames;
}

}  // namespace

void FoundState::Apply(const v1::StateRecord& record) {
  switch (record.record_case()) {
    case v1::StateRecord::kHead:
      head = record.head();
      last_seq = std::max(last_seq, head.last_seq());
      last_generation = std::max(last_generation, head.last_generation());
      last_kill = std::max(last_kill, head.last_kill());
      return;
    case v1::StateRecord::kSlot:
      slots[record.slot().generation()] = record.slot();
      last_generation = std::max(last_generation, record.slot().generation());
      return;
    case v1::StateRecord::kSlotGone:
      slots.erase(record.slot_gone());
      return;
    case v1::StateRecord::kKill:
      kills[record.kill().number()] = record.kill();
      last_kill = std::max(last_kill, record.kill().number());
      return;
    case v1::StateRecord::kKillOver:
      kills.erase(record.kill_over());
      return;
    case v1::StateRecord::kOrderTaken:
      orders.push_back(record.order_taken());
      return;
    case v1::StateRecord::kEvent:
      // Written once more with all that was true, after a frame that could not be written.
      if (!events.empty() && record.event().id().seq() <= events.back().id().seq()) return;
      events.push_back(record.event());
      last_seq = std::max(last_seq, record.event().id().seq());
      return;
    case v1::StateRecord::kSpooled:
      while (!events.empty() && events.front().id().seq() <= record.spooled()) events.pop_front();
      return;
    case v1::StateRecord::kBrake:
      brake = record.brake();
      return;
    case v1::StateRecord::kProgram:
      programs[record.program().label()] = record.program();
      return;
    case v1::StateRecord::kProgramGone:
      programs.erase(record.program_gone());
      return;
    case v1::StateRecord::RECORD_NOT_SET:
      return;
  }
}

StateKeeper::StateKeeper(std::string path, const std::string& boot_id, const std::string& node)
    : path_(std::move(path)) {
  if (path_.empty()) return;
  FoundState found;
  bool readable = true;
  StateLog::Damage damage;
  auto log = StateLog::Open(
      path_,
      [&](std::string_view bytes) {
        v1::StateFrame frame;
        if (!frame.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) readable = false;
        if (!readable) return;
        for (const v1::StateRecord& record : frame.records()) found.Apply(record);
      },
      &damage);
  if (!log.ok()) {
    spdlog::error(
        "the journal {} cannot be used ({}): should this guardian be killed, its slots have to "
        "register again",
        path_, std::string(log.status().message()));
    return;
  }
  log_ = std::make_unique<StateLog>(*std::move(log));
  found.damaged_bytes = static_cast<int64_t>(damage.lost_bytes);
  if (readable && found.head.version() == kVersion && found.head.boot_id() == boot_id &&
      found.head.node() == node) {
    found_ = std::move(found);
  }
}

void StateKeeper::Put(v1::StateRecord record) {
  if (!log_) return;
  gathered_bytes_ += record.ByteSizeLong();
  *gathered_.add_records() = std::move(record);
}

absl::Status StateKeeper::WriteGathered() {
  if (gathered_bytes_ <= kMostTurnBytes) return log_->Append(gathered_.SerializeAsString());
  const std::vector<v1::StateRecord> records(gathered_.records().begin(),
                                             gathered_.records().end());
  for (const std::string& frame : FramesOf(records)) {
    if (absl::Status s = log_->Append(frame); !s.ok()) return s;
  }
  return absl::OkStatus();
}

void StateKeeper::Commit() {
  if (!log_ || gathered_.records_size() == 0) return;
  if (!WriteGathered().ok()) {
    // What is true now may still fit where all that was ever true does not. What was gathered comes
    // after it once more: a signal that is about to be sent is in no snapshot.
    absl::Status again = TryRewrite();
    if (again.ok()) again = WriteGathered();
    if (!again.ok()) GiveUp(again);
  }
  gathered_.Clear();
  gathered_bytes_ = 0;
}

void StateKeeper::Tidy() {
  Commit();
  if (log_ && log_->bytes() > rewrite_above_) Rewrite();
}

void StateKeeper::Rewrite() {
  if (!log_) return;
  if (const absl::Status s = TryRewrite(); !s.ok()) {
    // Nothing is lost: the old one goes on, and is only longer than it need be.
    spdlog::error("the journal {} cannot be written anew ({}); it goes on as it is", path_,
                  std::string(s.message()));
    rewrite_above_ = log_->bytes() + kLeastRewrite;
  }
}

absl::Status StateKeeper::TryRewrite() {
  if (!snapshot_) return absl::FailedPreconditionError("there is nothing to write it from");
  if (absl::Status s = log_->Rewrite(FramesOf(snapshot_())); !s.ok()) return s;
  rewrite_above_ = std::max(kLeastRewrite, 2 * log_->bytes());
  return absl::OkStatus();
}

void StateKeeper::GiveUp(const absl::Status& why) {
  spdlog::error(
      "the journal {} cannot be written ({}): it is removed, because an old one would mislead; "
      "should this guardian be "
      "killed, its slots have to register again",
      path_, std::string(why.message()));
  log_.reset();
  (void)unlink(path_.c_str());
}

}  // namespace procctl::node
