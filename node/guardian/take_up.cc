#include "node/guardian/take_up.h"

#include <algorithm>
#include <chrono>
#include <future>
#include <set>
#include <thread>
#include <utility>
#include <vector>

#include "node/os/open_pages.h"
#include "node/os/process_ref.h"
#include "spdlog/spdlog.h"

namespace procctl::node {
namespace {

// A process that is stuck may hold the lock under which its memory map is read.
constexpr std::chrono::milliseconds kMapPatience{500};
constexpr Nanos kTryAgain = std::chrono::seconds(1);

using Pages = std::map<PageId, UniqueFd>;

PageId IdOf(const v1::SlotRecord& slot) { return {slot.page_device(), slot.page_inode()}; }

bool IsOfProgram(const v1::SlotRecord& slot) {
  return slot.door() == v1::DOOR_NOTIFY || slot.door() == v1::DOOR_PROGRAM;
}

std::string WhyLost(const v1::SlotRecord& slot, bool has_page) {
  if (has_page) return "its row of the table is taken";
  return slot.door() == v1::DOOR_CLASSIC ? "its row of the classic table is not its own any more"
                                         : "its page could not be found in it";
}

// Through the process's memory map, on a thread that may be left behind.
Pages FindInMap(int32_t pid, std::set<PageId> wanted, absl::Status* incomplete) {
  using Found = std::pair<Pages, absl::Status>;
  std::promise<Found> promise;
  std::future<Found> found = promise.get_future();
  std::thread([pid, wanted = std::move(wanted), promise = std::move(promise)]() mutable {
    Found all;
    all.first = FindPages(pid, std::move(wanted), PageSearch::kDescriptorsAndMaps, &all.second);
    promise.set_value(std::move(all));
  }).detach();
  if (found.wait_for(kMapPatience) != std::future_status::ready) return {};
  Found all = found.get();
  *incomplete = std::move(all.second);
  return std::move(all.first);
}

}  // namespace

v1::Event TakeUp::EventOf(const v1::SlotRecord& slot, v1::EventKind kind,
                          v1::Severity severity) const {
  v1::Event event;
  event.set_kind(kind);
  event.set_severity(severity);
  event.set_slot(slot.label());
  event.set_name(slot.name());
  event.set_door(slot.door());
  v1::Incarnation* incarnation = event.mutable_incarnation();
  incarnation->set_boot_id(parts_.table->boot_id());
  incarnation->set_pid(slot.pid());
  incarnation->set_start_ticks(slot.start_ticks());
  incarnation->set_generation(slot.generation());
  return event;
}

absl::Status TakeUp::FindPagesOf(int32_t pid, const Life& life, Pages* pages) {
  std::set<PageId> wanted;
  for (const v1::SlotRecord& slot : life.slots) {
    if (slot.door() == v1::DOOR_NATIVE && !stored_.contains(IdOf(slot))) wanted.insert(IdOf(slot));
  }
  absl::Status incomplete;
  if (!wanted.empty()) *pages = FindPages(pid, wanted, PageSearch::kDescriptors, &incomplete);
  for (const auto& [id, fd] : *pages) wanted.erase(id);
  if (!wanted.empty() && !scanning_ && !absl::IsResourceExhausted(incomplete)) {
    for (auto& [id, fd] : FindInMap(pid, wanted, &incomplete)) pages->emplace(id, std::move(fd));
  }
  if (absl::IsResourceExhausted(incomplete)) return incomplete;
  for (const v1::SlotRecord& slot : life.slots) {
    if (auto stored = stored_.extract(IdOf(slot))) pages->insert(std::move(stored));
  }
  return absl::OkStatus();
}

std::shared_ptr<const procctl_page> TakeUp::Open(const v1::SlotRecord& slot, Pages* pages) {
  if (slot.door() == v1::DOOR_CLASSIC)
    return parts_.classic == nullptr ? nullptr : parts_.classic->Resume(slot);
  if (IsOfProgram(slot)) {
    // The guardian's own, written by whoever keeps the program.
    auto page = std::make_shared<procctl_page>();
    page->beats = 1;
    return page;
  }
  const auto found = pages->find(IdOf(slot));
  if (found == pages->end()) return nullptr;
  auto page = BeatPage::Reopen(std::move(found->second), found->first);
  if (!page.ok()) return nullptr;
  const auto kept = std::make_shared<BeatPage>(*std::move(page));
  return {kept, kept->page()};
}

void TakeUp::Gone(const Life& life) {
  ++gone_;
  for (const v1::SlotRecord& slot : life.slots) parts_.table->GiveUp(slot.generation());
  for (const v1::KillRecord& kill : life.kills) {
    // How it ended follows from how far the ladder was.
    parts_.enforcer->EndLostKill(kill, v1::VERDICT_UNSPECIFIED, "it ended while no guardian ran");
  }
  if (life.kills.empty() && !life.slots.empty()) {
    v1::Event event = EventOf(life.slots.front(), v1::EVENT_KIND_PROCESS_GONE, v1::SEVERITY_INFO);
    event.set_message(fmt::format("{} pid {} ended while no guardian ran; {} {} cleared",
                                  event.slot(), event.incarnation().pid(), life.slots.size(),
                                  life.slots.size() == 1 ? "slot" : "slots"));
    parts_.log->Record(std::move(event));
  }
}

void TakeUp::Lose(const v1::SlotRecord& slot, const std::string& why) {
  parts_.table->GiveUp(slot.generation());
  if (IsOfProgram(slot)) {
    spdlog::warn("{} pid {}: its slot could not be taken up ({}); it is given a new one",
                 slot.label(), slot.pid(), why);
    return;
  }
  ++lost_;
  v1::Event event = EventOf(slot, v1::EVENT_KIND_SLOT_LOST, v1::SEVERITY_ALARM);
  event.set_message(fmt::format("{} pid {} lives and is not guarded until it registers again: {}",
                                slot.label(), slot.pid(), why));
  parts_.log->Record(std::move(event));
}

bool TakeUp::TryTake(const ProcessIdentity& identity, const Life& life, std::string* why) {
  auto ref = ProcessRef::Open(identity.pid);
  if (ref.ok() && ref->identity() == identity) {
    Pages pages;
    if (const absl::Status s = FindPagesOf(identity.pid, life, &pages); !s.ok()) {
      *why = std::string(s.message());
      return false;
    }
    Hold(*std::move(ref), life, std::move(pages));
    return true;
  }
  // Its number belongs to somebody else, or to nobody.
  if (ref.ok() || absl::IsNotFound(ref.status())) {
    Gone(life);
    return true;
  }
  *why = std::string(ref.status().message());
  return false;
}

void TakeUp::Wait(const ProcessIdentity& identity, Life life, const std::string& why) {
  for (auto slot = life.slots.begin(); slot != life.slots.end();) {
    if (!parts_.table->SetAside(*slot)) {
      Lose(*slot, "its row of the table is taken");
      slot = life.slots.erase(slot);
      continue;
    }
    v1::Event event = EventOf(*slot, v1::EVENT_KIND_SLOT_LOST, v1::SEVERITY_ALARM);
    event.set_message(fmt::format(
        "{} pid {} is not guarded until it can be held, which is tried again each second: {}",
        slot->label(), slot->pid(), why));
    parts_.log->Record(std::move(event));
    ++slot;
  }
  waiting_.emplace(identity, std::move(life));
}

void TakeUp::Tend(MonoTime now) {
  if (!waiting() || now < next_try_) return;
  next_try_ = now + kTryAgain;
  std::string why;
  for (auto life = waiting_.begin(); life != waiting_.end();) {
    const int32_t pid = life->first.pid;
    // Out of descriptors for one, out of descriptors for all.
    if (!TryTake(life->first, life->second, &why)) break;
    spdlog::info("pid {} of an earlier guardian's table is dealt with; {} wait", pid,
                 waiting_.size() - 1);
    life = waiting_.erase(life);
  }
  if (waiting_.empty()) stored_.clear();
  std::erase_if(unwatched_, [this](const ProcessIdentity& identity) {
    Process* process = parts_.table->Find(identity);
    return process == nullptr || parts_.watch_exit(*process).ok();
  });
}

void TakeUp::Snapshot(std::vector<v1::StateRecord>* records) const {
  for (const auto& [identity, life] : waiting_) {
    for (const v1::SlotRecord& slot : life.slots) *records->emplace_back().mutable_slot() = slot;
    for (const v1::KillRecord& kill : life.kills) *records->emplace_back().mutable_kill() = kill;
  }
}

void TakeUp::Hold(ProcessRef ref, const Life& life, Pages pages) {
  const ProcessIdentity identity = ref.identity();
  const int64_t uid = life.slots.empty() ? life.kills.front().uid() : life.slots.front().uid();
  // It may have come in by itself while it waited to be taken up.
  Process* known = parts_.table->Find(identity);
  Process& process = known != nullptr ? *known
                                      : parts_.table->AddProcess(
                                            std::make_unique<ProcessRef>(std::move(ref)), uid);
  if (known == nullptr) {
    if (const absl::Status watched = parts_.watch_exit(process); !watched.ok()) {
      spdlog::error("the end of pid {} cannot be watched: {}; trying again in a second",
                    identity.pid, std::string(watched.message()));
      unwatched_.push_back(identity);
    }
  }
  for (const v1::SlotRecord& record : life.slots) {
    const bool came_again =
        std::any_of(process.slots.begin(), process.slots.end(), [&](const Slot* slot) {
          return slot->door == record.door() && slot->name == record.name();
        });
    if (known != nullptr && came_again) {
      parts_.table->GiveUp(record.generation());
      continue;
    }
    const std::shared_ptr<const procctl_page> page = Open(record, &pages);
    Slot* slot = page == nullptr ? nullptr : parts_.table->Resume(process, record, page);
    if (slot == nullptr) {
      Lose(record, WhyLost(record, page != nullptr));
      continue;
    }
    ++slots_;
    if (slot->door == v1::DOOR_CLASSIC) parts_.classic->Resumed(*slot);
    if (slot->hold) {
      ++holds_;
      parts_.enforcer->ResumeHold(*slot);
    }
  }
  for (const v1::KillRecord& kill : life.kills) {
    // A ladder that began goes on whatever became of the slot, as it does when a process gives its
    // slot back.
    const bool begun = kill.stage() != v1::KillRecord::STAGE_DUE || kill.intent();
    const bool guarded =
        parts_.table->FindSlot(kill.subject().incarnation().generation()) != nullptr;
    if (process.kill == nullptr && (begun || guarded)) {
      ++kills_;
      parts_.enforcer->ResumeKill(process, kill);
    } else {
      parts_.enforcer->EndLostKill(
          kill, v1::VERDICT_UNKNOWN_AFTER_CRASH,
          "a guardian was killed before its first signal, and its slot is lost");
    }
  }
  parts_.table->Settle(process);
}

void TakeUp::Report(const FoundState& found) {
  std::string message = fmt::format(
      "took up the table of an earlier guardian: {} slots, {} kills under way, {} holds; {} "
      "processes had ended",
      slots_, kills_, holds_, gone_);
  if (lost_ > 0) message += fmt::format("; {} slots are lost until they register again", lost_);
  if (!waiting_.empty())
    message += fmt::format("; {} processes cannot be held yet", waiting_.size());
  if (found.damaged_bytes > 0)
    message += fmt::format("; {} bytes of the journal were damaged", found.damaged_bytes);
  parts_.log->Record(MakeEvent(v1::EVENT_KIND_STATE_TAKEN_UP,
                               lost_ > 0 || !waiting_.empty() || found.damaged_bytes > 0
                                   ? v1::SEVERITY_ALARM
                                   : v1::SEVERITY_WARNING,
                               message));
}

void TakeUp::Take(const FoundState& found, std::map<PageId, UniqueFd> stored_pages) {
  stored_ = std::move(stored_pages);
  std::map<ProcessIdentity, Life> lives;
  for (const auto& [generation, slot] : found.slots)
    lives[{slot.pid(), slot.start_ticks()}].slots.push_back(slot);
  for (const auto& [number, kill] : found.kills)
    lives[{kill.pid(), kill.start_ticks()}].kills.push_back(kill);
  for (auto& [identity, life] : lives) {
    std::string why;
    if (!TryTake(identity, life, &why)) Wait(identity, std::move(life), why);
  }
  if (found.brake) parts_.enforcer->ResumeBrakes(*found.brake);
  scanning_ = true;
  if (waiting_.empty()) stored_.clear();
  Report(found);
}

}  // namespace procctl::node
