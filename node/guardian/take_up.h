// Takes up the table of an earlier guardian of this boot: its slots, ladders, holds and brakes go
// on.
//
// Nobody is believed who cannot be found again exactly: a process by pid and start time, a page by
// the identity of its memfd, a row of the classic table by the pid in it. And nobody is believed
// gone who only cannot be held, as without descriptors: that is tried again until it is known.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "node/core/enforcer.h"
#include "node/core/table.h"
#include "node/guardian/classic_door.h"
#include "node/guardian/event_log.h"
#include "node/guardian/state_keeper.h"
#include "node/os/beat_page.h"

namespace procctl::node {

// All of it outlives TakeUp.
struct TakeUpParts {
  Table* table = nullptr;
  Enforcer* enforcer = nullptr;
  EventLog* log = nullptr;
  ClassicDoor* classic = nullptr;  // may be absent
  std::function<absl::Status(Process&)> watch_exit;
};

// The loop's thread.
class TakeUp {
 public:
  explicit TakeUp(TakeUpParts parts) : parts_(std::move(parts)) {}

  // Records what became of everybody, and STATE_TAKEN_UP. Before the first scan. `stored_pages`:
  // descriptors of pages that a service manager kept.
  void Take(const FoundState& found, std::map<PageId, UniqueFd> stored_pages);

  // Tries again, each second, to hold those who could not be held. Their slots are set aside in the
  // table meanwhile, and nothing is done to them.
  void Tend(MonoTime now);
  bool waiting() const { return !waiting_.empty() || !unwatched_.empty(); }
  // What must be known again of those who wait: their slots and kills.
  void Snapshot(std::vector<v1::StateRecord>* records) const;

 private:
  // One process as the journal has it.
  struct Life {
    std::vector<v1::SlotRecord> slots;
    std::vector<v1::KillRecord> kills;
  };
  using Pages = std::map<PageId, UniqueFd>;

  // False: it cannot be told yet whether it lives.
  bool TryTake(const ProcessIdentity& identity, const Life& life, std::string* why);
  void Hold(ProcessRef ref, const Life& life, Pages pages);
  void Wait(const ProcessIdentity& identity, Life life, const std::string& why);
  // Not OK: they may be there, and could not be looked for.
  absl::Status FindPagesOf(int32_t pid, const Life& life, Pages* pages);
  std::shared_ptr<const procctl_page> Open(const v1::SlotRecord& slot, Pages* pages);
  void Gone(const Life& life);
  void Lose(const v1::SlotRecord& slot, const std::string& why);
  void Report(const FoundState& found);
  v1::Event EventOf(const v1::SlotRecord& slot, v1::EventKind kind, v1::Severity severity) const;

  TakeUpParts parts_;
  Pages stored_;
  std::map<ProcessIdentity, Life> waiting_;
  // The loop runs, and nothing that may take its time is asked any more.
  bool scanning_ = false;
  // In the table, but their ends could not be watched.
  std::vector<ProcessIdentity> unwatched_;
  MonoTime next_try_;
  int slots_ = 0;
  int holds_ = 0;
  int kills_ = 0;
  int gone_ = 0;
  int lost_ = 0;
};

}  // namespace procctl::node
