#include "node/guardian/classic_door.h"

#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "node/os/clock.h"
#include "node/os/proc_file.h"
#include "spdlog/spdlog.h"

namespace procctl::node {
namespace {

// How often a segment that cannot be used is tried again, and a usable one is checked for having
// been removed.
constexpr Nanos kCheckEvery = std::chrono::seconds(5);
constexpr int64_t kWarningBurst = 50;
constexpr Nanos kWarningWindow = std::chrono::seconds(60);

// atime as a beat counter. Never 0 for any time that somebody writes: a counter of 0 is a page that
// nobody took up.
uint64_t BeatsOf(time_t atime) { return static_cast<uint64_t>(atime) ^ (uint64_t{1} << 63); }

std::shared_ptr<procctl_page> MakePage(time_t atime) {
  auto page = std::make_shared<procctl_page>();
  page->beats = BeatsOf(atime);
  return page;
}

}  // namespace

ClassicDoor::ClassicDoor(ClassicSettings settings, Nanos max_timeout, Table* table, EventLog* log,
                         Poller* poller, std::function<absl::Status(Process&)> watch_exit,
                         std::function<void(Slot&)> closed)
    : settings_(std::move(settings)),
      max_timeout_(max_timeout),
      table_(table),
      log_(log),
      poller_(poller),
      watch_exit_(std::move(watch_exit)),
      closed_(std::move(closed)),
      warnings_(kWarningBurst, kWarningWindow),
      rows_(static_cast<size_t>(settings_.rows)),
      bindings_(static_cast<size_t>(settings_.rows)) {}

void ClassicDoor::Alarm(const std::string& message) {
  if (message == last_alarm_) return;
  last_alarm_ = message;
  log_->Record(MakeEvent(v1::EVENT_KIND_CLASSIC_ALARM, v1::SEVERITY_ALARM, message));
}

void ClassicDoor::TryOpen() {
  auto segment = SysvTable::Open(settings_.key, settings_.rows, settings_.group);
  if (!segment.ok()) {
    Alarm(fmt::format("the classic table is not guarded: {}",
                      std::string(segment.status().message())));
    return;
  }
  segment_.emplace(*std::move(segment));
  prover_ = std::make_unique<MapProver>(segment_->map_identity());
  const auto token = poller_->Add(prover_->event_fd(), EPOLLIN, [this](uint32_t) { TakeProofs(); });
  if (!token.ok()) {
    segment_.reset();
    Alarm(
        fmt::format("the classic table is not guarded: {}", std::string(token.status().message())));
    return;
  }
  prover_token_ = *token;
  last_alarm_.clear();
  spdlog::info("classic table 0x{:x} with {} rows is guarded", static_cast<unsigned>(settings_.key),
               settings_.rows);
}

void ClassicDoor::Refresh(MonoTime now) {
  if (now >= next_check_) {
    next_check_ = now + kCheckEvery;
    if (segment_ && !segment_->StillThere()) Abandon();
    RevisitRefused();
    if (!segment_) TryOpen();
  }
  if (!segment_) return;
  segment_->Copy(&rows_);
  for (size_t i = 0; i < rows_.size(); ++i) {
    if (bindings_[i].page) bindings_[i].page->beats = BeatsOf(rows_[i].atime);
    // Nearly every row, nearly every time: nothing but its atime has changed.
    if (rows_[i].pid == bindings_[i].pid && bindings_[i].stage != Stage::kFree) continue;
    if (rows_[i].pid == 0 && bindings_[i].pid == 0 && rows_[i].atime == bindings_[i].atime)
      continue;
    Follow(i, rows_[i]);
  }
}

void ClassicDoor::RefreshPage(const Slot& slot) {
  if (slot.row < 0 || static_cast<size_t>(slot.row) >= bindings_.size()) return;
  const auto index = static_cast<size_t>(slot.row);
  Row& binding = bindings_[index];
  if (binding.page.get() != slot.page.get() || !segment_) return;
  binding.page->beats = BeatsOf(segment_->Atime(index));
}

std::shared_ptr<const procctl_page> ClassicDoor::Resume(const v1::SlotRecord& record) {
  if (!segment_) TryOpen();
  const auto index = static_cast<size_t>(record.row());
  if (!segment_ || record.row() < 0 || index >= rows_.size()) return nullptr;
  segment_->Copy(&rows_);
  if (rows_[index].pid != record.pid() || bindings_[index].stage != Stage::kFree) return nullptr;
  bindings_[index].page = MakePage(rows_[index].atime);
  return bindings_[index].page;
}

void ClassicDoor::Resumed(const Slot& slot) {
  const auto index = static_cast<size_t>(slot.row);
  Row& binding = bindings_[index];
  binding.stage = Stage::kBound;
  binding.pid = rows_[index].pid;
  binding.atime = rows_[index].atime;
  binding.generation = slot.generation;
}

void ClassicDoor::Abandon() {
  Alarm(
      "the classic table was removed by somebody; a new one is made, and programs must attach it "
      "again");
  poller_->Remove(prover_token_);
  prover_.reset();
  segment_.reset();
  // Whoever is attached to the old segment writes where nobody reads: to judge them would be to
  // kill the healthy.
  for (Row& binding : bindings_) {
    Slot* slot = binding.stage == Stage::kBound ? table_->FindSlot(binding.generation) : nullptr;
    if (slot != nullptr) closed_(*slot);
    binding = Row{};
  }
  std::fill(rows_.begin(), rows_.end(), ClassicRow{});
}

void ClassicDoor::RevisitRefused() {
  for (Row& binding : bindings_) {
    if (binding.stage == Stage::kRefused && binding.pid > 1 && !ReadStat(binding.pid))
      binding = Row{};
  }
}

void ClassicDoor::Follow(size_t index, const ClassicRow& row) {
  Row& binding = bindings_[index];
  if (binding.stage == Stage::kBound) {
    Slot* slot = table_->FindSlot(binding.generation);
    // Its process cleared the row, or another one took it. A slot whose ladder runs stays until its
    // process is gone, and the row waits with it.
    if (slot != nullptr) closed_(*slot);
    if (table_->FindSlot(binding.generation) != nullptr) return;
  }
  const int64_t old_atime = binding.atime;
  binding = Row{};
  binding.atime = row.atime;
  if (row.pid == 0) {
    const ClassicReading reading = ReadClassicRow(row, getpid(), max_timeout_);
    // A row that was just zeroed keeps its atime. One that is written with pid 0 has a new one.
    if (reading.kind == ClassicRowKind::kBad && row.atime != old_atime)
      Refuse(index, row, reading.problem);
    binding.stage = Stage::kFree;
    binding.pid = 0;
    return;
  }
  binding.pid = row.pid;
  Approach(index, row);
}

void ClassicDoor::Approach(size_t index, const ClassicRow& row) {
  Row& binding = bindings_[index];
  const ClassicReading reading = ReadClassicRow(row, getpid(), max_timeout_);
  if (reading.kind != ClassicRowKind::kCandidate) {
    Refuse(index, row, reading.problem);
    return;
  }
  auto process = ProcessRef::Open(row.pid);
  if (absl::IsNotFound(process.status())) {
    // Dead, or not a process: the row is given back to the others, as the classic guard did.
    if (segment_->Clear(index, row.pid)) {
      v1::Event event =
          MakeEvent(v1::EVENT_KIND_PROCESS_GONE, v1::SEVERITY_INFO,
                    fmt::format("row {} ({}) named pid {}, which is no process; cleared", index,
                                reading.name, row.pid));
      event.set_name(reading.name);
      event.set_door(v1::DOOR_CLASSIC);
      log_->Record(std::move(event));
    }
    binding = Row{};
    binding.atime = row.atime;
    return;
  }
  if (!process.ok() || !prover_->Start(index, process->identity())) {
    binding.pid = 0;  // out of descriptors or threads: looked at again in the next scan
    return;
  }
  binding.stage = Stage::kProving;
  binding.process.emplace(*std::move(process));
}

void ClassicDoor::Refuse(size_t index, const ClassicRow& row, const std::string& why) {
  bindings_[index].stage = Stage::kRefused;
  bindings_[index].process.reset();
  int64_t suppressed = 0;
  if (!warnings_.Allow(MonoNow(), &suppressed)) return;
  const ClassicReading reading = ReadClassicRow(row, getpid(), max_timeout_);
  v1::Event event = MakeEvent(
      v1::EVENT_KIND_REGISTRATION_REFUSED, v1::SEVERITY_WARNING,
      fmt::format("classic row {} ({}) is not guarded: {}{}", index, reading.name, why,
                  suppressed == 0 ? "" : fmt::format(" ({} more were not recorded)", suppressed)));
  event.set_name(reading.name);
  event.set_door(v1::DOOR_CLASSIC);
  log_->Record(std::move(event));
}

void ClassicDoor::TakeProofs() {
  if (!prover_) return;
  for (const Proof& proof : prover_->Take()) {
    Row& binding = bindings_[proof.row];
    if (binding.stage != Stage::kProving || binding.process->identity() != proof.process) continue;
    const ClassicRow& row = rows_[proof.row];
    if (row.pid != binding.pid || !proof.attached || !binding.process->Alive()) {
      binding = Row{};  // the next scan looks at the row anew
      continue;
    }
    if (!*proof.attached) {
      Refuse(proof.row, row, fmt::format("process {} has not attached this table", row.pid));
      continue;
    }
    Bind(proof.row, row);
  }
}

void ClassicDoor::Bind(size_t index, const ClassicRow& row) {
  Row& binding = bindings_[index];
  const ClassicReading reading = ReadClassicRow(row, getpid(), max_timeout_);
  if (reading.kind != ClassicRowKind::kCandidate) {
    Refuse(index, row, reading.problem);
    return;
  }
  const auto status = ReadStatus(row.pid);
  if (!status || !binding.process->Alive()) {
    binding = Row{};
    return;
  }
  const auto& users = settings_.users;
  if (!users.empty() &&
      std::find(users.begin(), users.end(), static_cast<uid_t>(status->uid)) == users.end()) {
    Refuse(index, row,
           fmt::format("process {} belongs to user {}, which classic.users does not list", row.pid,
                       status->uid));
    return;
  }
  Process* process = table_->Find(binding.process->identity());
  if (process == nullptr) {
    process =
        &table_->AddProcess(std::make_unique<ProcessRef>(*std::move(binding.process)), status->uid);
    if (!watch_exit_(*process).ok()) {
      table_->RemoveProcess(*process);
      binding = Row{};
      return;
    }
  }
  binding.process.reset();
  binding.page = MakePage(row.atime);
  Slot* added = table_->AddSlot(*process,
                                {.name = reading.name,
                                 .door = v1::DOOR_CLASSIC,
                                 .terms = {.timeout = reading.timeout},
                                 .page = binding.page,
                                 .row = static_cast<int32_t>(index)},
                                WallNow());
  if (added == nullptr) {
    table_->Settle(*process);
    Refuse(index, row, "all slots of this node are taken");
    return;
  }
  const Slot& slot = *added;
  binding.stage = Stage::kBound;
  binding.generation = slot.generation;
  v1::Event event = MakeEvent(v1::EVENT_KIND_SLOT_REGISTERED, v1::SEVERITY_INFO,
                              fmt::format("{} pid {} of user {} is guarded through classic row {}",
                                          slot.label, row.pid, status->uid, index));
  event.set_slot(slot.label);
  event.set_name(slot.name);
  *event.mutable_incarnation() = table_->IncarnationOf(slot);
  event.set_door(v1::DOOR_CLASSIC);
  log_->Record(std::move(event));
}

void ClassicDoor::OnSlotRemoved(const Slot& slot, int32_t row) {
  const auto index = static_cast<size_t>(row);
  Row& binding = bindings_[index];
  if (binding.stage != Stage::kBound || binding.generation != slot.generation) return;
  // Only the row of an ended process is cleared here; one that gave it back has written it itself.
  if (segment_ && !slot.process->target->Facts().alive)
    (void)segment_->Clear(index, slot.process->identity().pid);
  const int64_t atime = rows_[index].atime;
  binding = Row{};
  binding.atime = atime;
}

}  // namespace procctl::node
