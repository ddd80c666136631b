// The heartbeat table: which process holds which slots. Knows nothing of scans, signals or sockets.
//
// Ownership: a Process owns its pidfd; a Slot owns its page. A process is in the table as long as
// it holds a slot or is being killed. One thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "node/core/registration.h"
#include "node/core/silence.h"
#include "node/core/slot_labels.h"
#include "node/guardian/kill.h"
#include "node/os/beat_page.h"
#include "node/os/poller.h"
#include "node/os/process_ref.h"
#include "procctl/v1/slot.pb.h"

namespace procctl::node {

struct Process;

struct Slot {
  int64_t generation = 0;
  std::string label;
  std::string name;
  v1::Door door = v1::DOOR_UNSPECIFIED;
  Nanos timeout{};
  std::chrono::system_clock::time_point registered_at;
  Process* process = nullptr;
  size_t heart = 0;  // index into Table::hearts()
};

struct Process {
  explicit Process(ProcessRef r, int64_t u) : ref(std::move(r)), uid(u) {}

  ProcessRef ref;
  // User at first registration.
  int64_t uid;
  std::vector<Slot*> slots;
  // Set while a kill is due or under way.
  std::unique_ptr<Kill> kill;
  Poller::Token exit_watch = 0;
};

// What a scan touches, packed: 10,000 of them are read ten times a second.
struct Heart {
  // Native: the page. Classic: none, and `row` is the row of the table.
  std::unique_ptr<BeatPage> page;
  int32_t row = -1;
  v1::SlotState judged = v1::SLOT_STATE_ALIVE;
  Silence silence{0};
  Nanos timeout{};
  Slot* slot = nullptr;
};

class Table {
 public:
  Table(std::string boot_id, int64_t epoch)
      : boot_id_(std::move(boot_id)), next_generation_(epoch * kGenerationsPerEpoch + 1) {}

  // Generations of one life of a guardian; epochs are milliseconds, so lives do not overlap in
  // numbers.
  static constexpr int64_t kGenerationsPerEpoch = 1 << 20;

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

  Process& AddProcess(ProcessRef ref, int64_t uid);
  // `page` for a native slot, `row` and the present `token` for a classic one.
  Slot& AddSlot(Process& process, std::string name, v1::Door door, Nanos timeout,
                std::unique_ptr<BeatPage> page, int32_t row, uint64_t token,
                std::chrono::system_clock::time_point now);
  // The same process under the same name once more: new page and timeout, silence starts anew.
  void TakeOver(Slot& slot, Nanos timeout, std::unique_ptr<BeatPage> page);

  void RemoveSlot(Slot& slot);
  // With all its slots.
  void RemoveProcess(Process& process);
  // Forgets the process if nothing holds it any more.
  void Settle(Process& process);

  void Changed(const Slot& slot) { listener_.changed(slot); }
  void Changed(const Process& process);

  std::vector<Heart>& hearts() { return hearts_; }
  Heart& heart(const Slot& slot) { return hearts_[slot.heart]; }
  const std::map<int64_t, std::unique_ptr<Slot>>& slots() const { return slots_; }
  int64_t slots_of_user(int64_t uid) const;

  // The row as others see it.
  v1::Slot Row(const Slot& slot) const;
  v1::Incarnation IncarnationOf(const Slot& slot) const;

 private:
  std::string boot_id_;
  int64_t next_generation_;
  Listener listener_;
  SlotLabels labels_;
  std::vector<Heart> hearts_;
  std::map<int64_t, std::unique_ptr<Slot>> slots_;
  std::map<ProcessIdentity, std::unique_ptr<Process>> processes_;
  std::map<int64_t, int64_t> per_user_;
};

}  // namespace procctl::node
