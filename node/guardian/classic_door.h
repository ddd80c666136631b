// The classic System V table as a door into the heartbeat table.
//
// A row is a claim, not a fact. It leads to a slot only when (1) it names a plausible pid, (2) that
// process's own memory map holds this very segment, (3) its user is allowed. From then on the slot
// stands for that process, not for that pid. atime is only a token that must change; nobody's clock
// is believed.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "node/core/enforcer.h"
#include "node/core/event_limiter.h"
#include "node/core/table.h"
#include "node/guardian/event_log.h"
#include "node/guardian/map_prover.h"
#include "node/guardian/settings.h"
#include "node/os/poller.h"
#include "node/os/process_ref.h"
#include "node/os/sysv_table.h"

namespace procctl::node {

class ClassicDoor {
 public:
  ClassicDoor(ClassicSettings settings, Nanos max_timeout, Table* table, EventLog* log,
              Poller* poller, std::function<absl::Status(Process&)> watch_exit,
              std::function<void(Slot&)> closed);

  // Copies the table and follows its rows. Right before each scan.
  void Refresh(MonoTime now);

  // Brings the page of a classic slot up to date with its row, right now.
  void RefreshPage(const Slot& slot);

  // A slot of an earlier guardian: its page, if the row still is that process's; nullptr otherwise.
  // The caller binds it with Resumed once the slot is in the table.
  std::shared_ptr<const procctl_page> Resume(const v1::SlotRecord& record);
  void Resumed(const Slot& slot);

  // The slot of this row is gone from the table: the row is cleared, if it still is that process's.
  void OnSlotRemoved(const Slot& slot, int32_t row);

 private:
  enum class Stage { kFree, kProving, kBound, kRefused };
  struct Row {
    Stage stage = Stage::kFree;
    int32_t pid = 0;
    int64_t atime = 0;
    int64_t generation = 0;             // kBound
    std::optional<ProcessRef> process;  // kProving
    // kBound: what the slot's heart reads. The row's atime is its beat counter, so that a classic
    // heart is judged like any other.
    std::shared_ptr<procctl_page> page;
  };

  void TryOpen();
  // The segment was removed under us: nobody is bound through it any more.
  void Abandon();
  // Rows that name a process which has ended since they were refused are looked at once more, and
  // cleared.
  void RevisitRefused();
  void Alarm(const std::string& message);
  void Follow(size_t index, const ClassicRow& row);
  void Approach(size_t index, const ClassicRow& row);
  void Refuse(size_t index, const ClassicRow& row, const std::string& why);
  void TakeProofs();
  void Bind(size_t index, const ClassicRow& row);

  ClassicSettings settings_;
  Nanos max_timeout_;
  Table* table_;
  EventLog* log_;
  Poller* poller_;
  std::function<absl::Status(Process&)> watch_exit_;
  std::function<void(Slot&)> closed_;
  EventLimiter warnings_;

  std::optional<SysvTable> segment_;
  std::unique_ptr<MapProver> prover_;
  Poller::Token prover_token_ = 0;
  std::string last_alarm_;
  MonoTime next_check_;
  std::vector<ClassicRow> rows_;
  std::vector<Row> bindings_;
};

}  // namespace procctl::node
