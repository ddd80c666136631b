// The heartbeat table: which process holds which slots. Knows nothing of scans, signals or sockets.
//
// Ownership: a Process owns its Target; a Slot owns its page. A process is in the table as long as
// it holds a slot or is being killed. The numbers of the hearts lie in memory that the owner of the
// table hands in, because it outlives the guardian. One thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "node/core/heart.h"
#include "node/core/heart_terms.h"
#include "node/core/kill.h"
#include "node/core/seams.h"
#include "node/core/slot_labels.h"
#include "node/core/slot_rules.h"
#include "procctl/v1/slot.pb.h"

namespace procctl::node {

struct Process;

// An operator's word that a slot is not to be signalled.
struct OperatorHold {
  std::string owner;
  std::string reason;
  // CLOCK_BOOTTIME: a hold that was given for half an hour ends after half an hour, slept or not.
  Nanos ends{};
  // To show.
  std::chrono::system_clock::time_point until;
};

// Names a page so that it can be found again in the process that has it.
struct PageKey {
  uint64_t device = 0;
  uint64_t inode = 0;
};

struct Slot {
  int64_t generation = 0;
  std::string label;
  std::string name;
  v1::Door door = v1::DOOR_UNSPECIFIED;
  HeartTerms terms;
  SlotRules rules;
  std::chrono::system_clock::time_point registered_at;
  Process* process = nullptr;
  // Where its heart is: index into Table::cells() and histories().
  size_t cell = 0;
  // Classic: the row of the table, and the page is the door's copy of it. Native: -1.
  int32_t row = -1;
  std::shared_ptr<const procctl_page> page;
  PageKey page_key;
  std::optional<OperatorHold> hold;
};

struct Process {
  explicit Process(std::unique_ptr<Target> t, int64_t u) : target(std::move(t)), uid(u) {}

  std::unique_ptr<Target> target;
  // User at first registration.
  int64_t uid;
  std::vector<Slot*> slots;
  // Set while a kill is due or under way.
  std::unique_ptr<Kill> kill;
  // The shell's: how it learns of the end.
  uint64_t exit_watch = 0;
  // The node's own, meant to hang: it asks no brake and is no sign of a sick host.
  bool canary = false;
  // Main process of a program of this node: the program's label, and which life of it this is.
  std::string program;
  std::string run;
  // What asks it to end.
  int stop_signal = 15;

  const ProcessIdentity& identity() const { return target->identity(); }
};

class Table {
 public:
  // Both spans are of one size: the most slots there can be.
  Table(std::string boot_id, SlotRuleBook rules, std::span<HeartCell> cells,
        std::span<HeartHistory> histories, Journal* journal);

  // Generations of one life of a guardian; epochs are milliseconds, so lives do not overlap in
  // numbers.
  static constexpr int64_t kGenerationsPerEpoch = 1 << 20;
  void NumberFrom(int64_t generation) { next_generation_ = generation; }
  int64_t next_generation() const { return next_generation_; }

  struct Listener {
    // The row of `slot` has to be shown anew.
    std::function<void(const Slot& slot)> changed;
    // It is gone from the table. The slot is still whole during the call.
    std::function<void(const Slot& slot)> removed;
    // `process` has no slot and no kill any more and is about to be forgotten.
    std::function<void(Process& process)> forgotten;
  };
  void Listen(Listener listener) { listener_ = std::move(listener); }

  Process* Find(const ProcessIdentity& identity);
  // Nullptr if no such slot is in the table.
  Slot* FindSlot(int64_t generation);
  Slot* FindSlot(const Process& process, const std::string& name);

  Process& AddProcess(std::unique_ptr<Target> target, int64_t uid);
  struct NewSlot {
    std::string name;
    v1::Door door = v1::DOOR_UNSPECIFIED;
    HeartTerms terms;
    std::shared_ptr<const procctl_page> page;
    PageKey page_key;
    int32_t row = -1;
  };
  // Nullptr where all cells are taken.
  Slot* AddSlot(Process& process, NewSlot what, std::chrono::system_clock::time_point now);
  // A slot of an earlier guardian goes on: same label, generation and, where the board kept it, the
  // same numbers. Nullptr if its cell or label cannot be had.
  Slot* Resume(Process& process, const v1::SlotRecord& record,
               std::shared_ptr<const procctl_page> page);
  // A slot of an earlier guardian whose process cannot be held yet: its label and cell are kept for
  // it until Resume or GiveUp. False if they cannot be had.
  bool SetAside(const v1::SlotRecord& record);
  // A slot of an earlier guardian that does not go on, set aside or not.
  void GiveUp(int64_t generation);
  // By generation.
  const std::map<int64_t, v1::SlotRecord>& set_aside() const { return set_aside_; }
  // The same process under the same name once more: new page and terms, silence starts anew.
  void TakeOver(Slot& slot, HeartTerms terms, std::shared_ptr<const procctl_page> page,
                PageKey key);

  void RemoveSlot(Slot& slot);
  // With all its slots.
  void RemoveProcess(Process& process);
  // Forgets the process if nothing holds it any more.
  void Settle(Process& process);

  // Another timeout from now on; the silence so far goes on.
  void SetTimeout(Slot& slot, Nanos timeout);
  // So much longer, from now, until it has to be ready. Of a slot that is STARTING.
  void ExtendStart(Slot& slot, Nanos more);

  void SetHold(Slot& slot, std::optional<OperatorHold> hold);

  void Changed(const Slot& slot) { listener_.changed(slot); }
  void Changed(const Process& process);

  // Cells in use lie below this.
  size_t used() const { return used_; }
  HeartCell& cell(const Slot& slot) { return cells_[slot.cell]; }
  const HeartCell& cell(const Slot& slot) const { return cells_[slot.cell]; }
  HeartHistory& history(const Slot& slot) { return histories_[slot.cell]; }
  const HeartHistory& history(const Slot& slot) const { return histories_[slot.cell]; }
  std::span<HeartCell> cells() { return cells_.first(used_); }
  // The slot whose heart is in that cell; nullptr: the cell is free.
  Slot* slot_at(size_t cell) { return owners_[cell]; }

  const std::map<int64_t, std::unique_ptr<Slot>>& slots() const { return slots_; }
  const std::map<ProcessIdentity, std::unique_ptr<Process>>& processes() const {
    return processes_;
  }
  int64_t slots_of_user(int64_t uid) const;
  // Slots whose hearts a scan has to look at: all but those that are watched for their end only.
  int64_t hearts() const { return hearts_; }
  const std::string& boot_id() const { return boot_id_; }

  // The row as others see it.
  v1::Slot Row(const Slot& slot) const;
  v1::Incarnation IncarnationOf(const Slot& slot) const;
  v1::SlotRecord RecordOf(const Slot& slot) const;

 private:
  std::optional<size_t> FreeCell();
  // The very cell and label of a record.
  bool Claim(const v1::SlotRecord& record);
  void StartHeart(Slot& slot);
  Slot& Keep(Process& process, std::unique_ptr<Slot> slot);
  void Write(const Slot& slot);

  std::string boot_id_;
  SlotRuleBook rules_;
  std::span<HeartCell> cells_;
  std::span<HeartHistory> histories_;
  Journal* journal_;
  std::vector<Slot*> owners_;
  std::vector<size_t> free_cells_;
  size_t used_ = 0;
  int64_t next_generation_ = 1;
  Listener listener_;
  SlotLabels labels_;
  std::map<int64_t, std::unique_ptr<Slot>> slots_;
  std::map<ProcessIdentity, std::unique_ptr<Process>> processes_;
  std::map<int64_t, int64_t> per_user_;
  int64_t hearts_ = 0;
  std::map<int64_t, v1::SlotRecord> set_aside_;
};

}  // namespace procctl::node
