#include "node/guardian/take_up.h"

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

struct Life {
  std::vector<const v1::SlotRecord*> slots;
  std::vector<const v1::KillRecord*> kills;
};

using Pages = std::map<PageId, UniqueFd>;

PageId IdOf(const v1::SlotRecord& slot) { return {slot.page_device(), slot.page_inode()}; }

// Through the process's memory map, on a thread that may be left behind.
Pages FindInMap(int32_t pid, std::set<PageId> wanted) {
  std::promise<Pages> promise;
  std::future<Pages> found = promise.get_future();
  std::thread([pid, wanted = std::move(wanted), promise = std::move(promise)]() mutable {
    promise.set_value(FindPages(pid, std::move(wanted), PageSearch::kDescriptorsAndMaps));
  }).detach();
  if (found.wait_for(kMapPatience) != std::future_status::ready) return {};
  return found.get();
}

class Taker {
 public:
  explicit Taker(const TakeUpParts& parts) : parts_(parts) {}

  void Take(const ProcessIdentity& identity, const Life& life);
  void Report(const FoundState& found);

 private:
  Pages PagesOf(int32_t pid, const Life& life);
  std::shared_ptr<const procctl_page> Open(const v1::SlotRecord& slot, Pages* pages);
  void Gone(const Life& life);
  void Lose(const v1::SlotRecord& slot, const std::string& why);
  v1::Event EventOf(const v1::SlotRecord& slot, v1::EventKind kind, v1::Severity severity) const;

  const TakeUpParts& parts_;
  int slots_ = 0;
  int holds_ = 0;
  int kills_ = 0;
  int gone_ = 0;
  int lost_ = 0;
};

v1::Event Taker::EventOf(const v1::SlotRecord& slot, v1::EventKind kind,
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

Pages Taker::PagesOf(int32_t pid, const Life& life) {
  Pages pages;
  std::set<PageId> wanted;
  for (const v1::SlotRecord* slot : life.slots) {
    if (slot->door() != v1::DOOR_NATIVE) continue;
    const auto stored = parts_.stored_pages->find(IdOf(*slot));
    if (stored != parts_.stored_pages->end()) {
      pages[stored->first] = std::move(stored->second);
      parts_.stored_pages->erase(stored);
    } else {
      wanted.insert(IdOf(*slot));
    }
  }
  if (wanted.empty()) return pages;
  for (auto& [id, fd] : FindPages(pid, wanted, PageSearch::kDescriptors)) {
    wanted.erase(id);
    pages[id] = std::move(fd);
  }
  if (wanted.empty()) return pages;
  for (auto& [id, fd] : FindInMap(pid, wanted)) pages[id] = std::move(fd);
  return pages;
}

std::shared_ptr<const procctl_page> Taker::Open(const v1::SlotRecord& slot, Pages* pages) {
  if (slot.door() == v1::DOOR_CLASSIC)
    return parts_.classic == nullptr ? nullptr : parts_.classic->Resume(slot);
  if (slot.door() == v1::DOOR_NOTIFY || slot.door() == v1::DOOR_PROGRAM) {
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

void Taker::Gone(const Life& life) {
  ++gone_;
  for (const v1::KillRecord* kill : life.kills) {
    // How it ended follows from how far the ladder was.
    parts_.enforcer->EndLostKill(*kill, v1::VERDICT_UNSPECIFIED, "it ended while no guardian ran");
  }
  if (life.kills.empty() && !life.slots.empty()) {
    v1::Event event = EventOf(*life.slots.front(), v1::EVENT_KIND_PROCESS_GONE, v1::SEVERITY_INFO);
    event.set_message(fmt::format("{} pid {} ended while no guardian ran; {} {} cleared",
                                  event.slot(), event.incarnation().pid(), life.slots.size(),
                                  life.slots.size() == 1 ? "slot" : "slots"));
    parts_.log->Record(std::move(event));
  }
}

void Taker::Lose(const v1::SlotRecord& slot, const std::string& why) {
  ++lost_;
  v1::Event event = EventOf(slot, v1::EVENT_KIND_SLOT_LOST, v1::SEVERITY_ALARM);
  event.set_message(fmt::format("{} pid {} lives and is not guarded until it registers again: {}",
                                slot.label(), slot.pid(), why));
  parts_.log->Record(std::move(event));
}

void Taker::Take(const ProcessIdentity& identity, const Life& life) {
  auto ref = ProcessRef::Open(identity.pid);
  if (!ref.ok() || ref->identity() != identity) {
    if (ref.ok() || absl::IsNotFound(ref.status())) {
      Gone(life);
      return;
    }
    for (const v1::SlotRecord* slot : life.slots) Lose(*slot, std::string(ref.status().message()));
    for (const v1::KillRecord* kill : life.kills) {
      parts_.enforcer->EndLostKill(*kill, v1::VERDICT_UNKNOWN_AFTER_CRASH,
                                   std::string(ref.status().message()));
    }
    return;
  }
  const int64_t uid = life.slots.empty() ? life.kills.front()->uid() : life.slots.front()->uid();
  Process& process = parts_.table->AddProcess(std::make_unique<ProcessRef>(*std::move(ref)), uid);
  if (const absl::Status watched = parts_.watch_exit(process); !watched.ok())
    spdlog::error("the end of pid {} cannot be watched: {}", identity.pid,
                  std::string(watched.message()));
  Pages pages = PagesOf(identity.pid, life);
  for (const v1::SlotRecord* record : life.slots) {
    const std::shared_ptr<const procctl_page> page = Open(*record, &pages);
    Slot* slot = page == nullptr ? nullptr : parts_.table->Resume(process, *record, page);
    if (slot == nullptr) {
      Lose(*record, record->door() == v1::DOOR_CLASSIC
                        ? "its row of the classic table is not its own any more"
                        : "its page could not be found in it");
      continue;
    }
    ++slots_;
    if (slot->door == v1::DOOR_CLASSIC) parts_.classic->Resumed(*slot);
    if (slot->hold) {
      ++holds_;
      parts_.enforcer->ResumeHold(*slot);
    }
  }
  for (const v1::KillRecord* kill : life.kills) {
    // A ladder that began goes on whatever became of the slot, as it does when a process gives its
    // slot back.
    const bool begun = kill->stage() != v1::KillRecord::STAGE_DUE || kill->intent();
    const bool guarded =
        parts_.table->FindSlot(kill->subject().incarnation().generation()) != nullptr;
    if (process.kill == nullptr && (begun || guarded)) {
      ++kills_;
      parts_.enforcer->ResumeKill(process, *kill);
    } else {
      parts_.enforcer->EndLostKill(
          *kill, v1::VERDICT_UNKNOWN_AFTER_CRASH,
          "a guardian was killed before its first signal, and its slot is lost");
    }
  }
  parts_.table->Settle(process);
}

void Taker::Report(const FoundState& found) {
  std::string message = fmt::format(
      "took up the table of an earlier guardian: {} slots, {} kills under way, {} holds; {} "
      "processes had ended",
      slots_, kills_, holds_, gone_);
  if (lost_ > 0) message += fmt::format("; {} slots are lost until they register again", lost_);
  if (found.damaged_bytes > 0)
    message += fmt::format("; {} bytes of the journal were damaged", found.damaged_bytes);
  parts_.log->Record(MakeEvent(
      v1::EVENT_KIND_STATE_TAKEN_UP,
      lost_ > 0 || found.damaged_bytes > 0 ? v1::SEVERITY_ALARM : v1::SEVERITY_WARNING, message));
}

}  // namespace

void TakeUp(const FoundState& found, const TakeUpParts& parts) {
  std::map<ProcessIdentity, Life> lives;
  for (const auto& [generation, slot] : found.slots)
    lives[{slot.pid(), slot.start_ticks()}].slots.push_back(&slot);
  for (const auto& [number, kill] : found.kills)
    lives[{kill.pid(), kill.start_ticks()}].kills.push_back(&kill);
  Taker taker(parts);
  for (const auto& [identity, life] : lives) taker.Take(identity, life);
  if (found.brake) parts.enforcer->ResumeBrakes(*found.brake);
  taker.Report(found);
}

}  // namespace procctl::node
